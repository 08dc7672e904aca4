"""The unit of a plain number is no word to print; every other unit is."""

from __future__ import annotations

import pytest
from conftest import Ledger
from projects import Project


@pytest.mark.parametrize(("unit", "printed"), [("1", ["loss", "0.5", "="]), ("s", ["loss", "0.5", "=", "s"])])
def test_the_unit_of_a_plain_number_is_not_printed(
    project: Project, ledger: Ledger, unit: str, printed: list[str]
) -> None:
    project.declare("1", {"loss": {"unit": unit}})
    shown = ledger("show", project.record(loss=0.5))
    (line,) = (line for line in shown.splitlines() if line.strip().startswith("loss"))
    assert line.split() == printed
