from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Ledger
from share.clones import Hub, bare


@pytest.fixture(scope="session")
def bare_template(first_template: Path) -> Path:
    return bare(first_template)


@pytest.fixture
def hub(tmp_path: Path, ledger: Ledger, bare_template: Path) -> Hub:
    return Hub(tmp_path, ledger, bare_template)
