from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Ledger
from share.clones import Hub, bare


@pytest.fixture
def hub(tmp_path: Path, ledger: Ledger, first_template: Path) -> Hub:
    return Hub(tmp_path, ledger, bare(first_template))
