"""The names that `import ledger` gives."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    [
        "import ledger",
        "import ledger.record.inputs",
        "from ledger.record import run",
        "from ledger import runs",
    ],
)
def test_record_is_the_function_whatever_was_imported_before(first: str) -> None:
    program = f"{first}\nimport ledger\nassert ledger.record.__name__ == 'record' and callable(ledger.record)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
