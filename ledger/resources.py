"""The files that ship beside the code: `schemas/` and `hooks/`."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """`schemas` or `hooks`: inside the package once installed, beside it in a checkout or editable install."""
    packaged = _PACKAGE / f"_{name}"
    return packaged if packaged.is_dir() else _PACKAGE.parent / name
