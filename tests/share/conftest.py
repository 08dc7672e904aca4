from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Ledger
from share.clones import Hub


@pytest.fixture
def hub(tmp_path: Path, ledger: Ledger) -> Hub:
    return Hub(tmp_path, ledger)
