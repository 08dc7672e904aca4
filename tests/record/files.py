"""Input files of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import InputError
from ledger.record.inputs import read_metrics, read_params


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def refusal(folder: Path, name: str, content: str | bytes, *, params: bool = False) -> InputError:
    path = written(folder, name, content)
    with pytest.raises(InputError) as caught:
        (read_params if params else read_metrics)([path])
    assert path in caught.value.message + "".join(caught.value.details)
    return caught.value
