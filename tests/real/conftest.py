"""Each replay is made once a session, by whichever process needs it first, and only read from then on."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from conftest import _FIXED
from real import definitions, replay
from real.pulls import Pool, replayed
from real.replay import Replayed

import ledger

POOL_SCHEMA = replay.schema_of(
    {
        "train/dice_multi": {"unit": "1", "direction": "higher"},
        "evaluate/dice_multi": {"unit": "1", "direction": "higher"},
        "train/train/loss": {"direction": "lower"},
    }
)
DJANGO_SCHEMA = replay.schema_of(
    {
        "template_benchmarks.template_render.TemplateRender.time_template_render": {
            "unit": "s", "direction": "lower",
        },
        "form_benchmarks.form_clean.FormClean.time_form_clean": {
            "unit": "s", "direction": "lower", "on": {"machine": "param:machine"},
        },
    }
)  # fmt: skip


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    return _once(
        tmp_path_factory, replay.POOL, lambda path: replay.pool_segmentation(path, schema=POOL_SCHEMA)
    )


@pytest.fixture
def pulls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    """The current folder is in it."""
    _need(replay.POOL)
    made = replayed(tmp_path / "pool", POOL_SCHEMA)
    monkeypatch.chdir(made.path)
    return made


@pytest.fixture(scope="session")
def django(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    return _once(tmp_path_factory, replay.DJANGO, lambda path: replay.django(path, schema=DJANGO_SCHEMA))


@pytest.fixture(scope="session")
def moved_pool(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """The evaluation Dice under the name that it had in each file at the time, and a migration."""
    return _once(tmp_path_factory, replay.POOL, definitions.moved_pool, variant="moved")


@pytest.fixture(scope="session")
def redefined_django(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Each benchmark under the definition that it had when it was measured."""
    return _once(tmp_path_factory, replay.DJANGO, definitions.redefined_django, variant="redefined")


def _once(
    factory: pytest.TempPathFactory, data: str, make: Callable[[Path], Replayed], *, variant: str = "plain"
) -> Replayed:
    _need(data)
    name = f"{data}-{variant}"
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "real"
    folder.mkdir(exist_ok=True)
    told = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            _sealed(folder / name, make, told)
    found = json.loads(told.read_text(encoding="utf-8"))
    return Replayed(path=Path(found["path"]), commits=found["commits"], runs=tuple(found["runs"]))


def _need(data: str) -> None:
    if not replay.data_file(data).is_file():
        pytest.skip(f"{replay.data_file(data)} is not here: LEDGER_REAL_DATA names the folder of real data")


def _sealed(path: Path, make: Callable[[Path], Replayed], told: Path) -> None:
    """Replay without the developer's configuration, as every test runs."""
    with pytest.MonkeyPatch.context() as patch:
        for word in [word for word in os.environ if word.startswith(("GIT_", "LEDGER_", "CI_", "GITHUB_"))]:
            if word != "LEDGER_REAL_DATA":
                patch.delenv(word)
        for word, value in {**_FIXED, "XDG_STATE_HOME": str(path.parent)}.items():
            patch.setenv(word, value)
        made = make(path)
        ledger.runs(columns=["experiment"], repository=path)  # the index, once
    told.write_text(json.dumps({**asdict(made), "path": str(path)}), encoding="utf-8")
