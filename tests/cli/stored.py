"""What `ledger record` left: files of a recorded run, and sealed files of refused ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conftest import Repo

REF = "refs/runs/main"


def file(repo: Repo, name: str, revision: str = REF) -> Any:
    return json.loads(repo.git("show", f"{revision}:{name}"))


def refused(repo: Repo) -> list[Path]:
    return sorted((repo.path / ".git/ledger/spool/refused").glob("*.zip"))
