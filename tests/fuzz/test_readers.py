"""Readers of bytes that somebody else may have written: what was found once, and what a few changes make of sound bytes.

`make fuzz` searches for more.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fuzz.mutations import mutated
from fuzz.reader import refuses
from fuzz.readers import READERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = Path(__file__).parent / "cases"
FOUND = sorted(path for path in CASES.glob("*/*") if path.is_file())


def test_every_folder_of_cases_is_of_a_reader() -> None:
    assert FOUND
    assert {path.parent.name for path in FOUND} <= set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_sound_bytes_are_taken(name: str, tmp_path: Path) -> None:
    for number, seed in enumerate(READERS[name].seeds()):
        (tmp_path / str(number)).mkdir()
        READERS[name].read(seed, tmp_path / str(number))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_is_mended(path: Path, tmp_path: Path) -> None:
    refuses(READERS[path.parent.name], path.read_bytes(), tmp_path)


@pytest.mark.parametrize("name", READERS)
@settings(
    max_examples=max(settings().max_examples // 5, 5), suppress_health_check=list(HealthCheck), deadline=None
)
@given(seed=st.integers(0, 2**32))
def test_changed_bytes_are_refused_or_taken(
    name: str, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = random.Random(seed)
    data = mutated(source.choice(READERS[name].seeds()), source)
    refuses(READERS[name], data, tmp_path_factory.mktemp("read"))
