"""What Python hands over: library numbers, tensors, enums."""

from __future__ import annotations

import decimal
import enum
from pathlib import Path

import pytest

from ledger.errors import InputError, LedgerError
from ledger.record.inputs import metrics_of, params_of


class Tensor:
    """What numpy and torch scalars and arrays have in common."""

    def __init__(self, value: object) -> None:
        self.value = value

    def tolist(self) -> object:
        return self.value


class Loss(enum.StrEnum):
    FOCAL = "focal"


def test_python_values_become_json(tmp_path: Path) -> None:
    class Float(float):
        """Such as numpy.float64."""

    values = params_of(
        {
            "t": (1, 2),
            "p": tmp_path,
            "e": Loss.FOCAL,
            "n": Tensor(3),
            "a": Tensor([1.5, 2]),
            "f": Float(0.5),
            "5": {5: None},
        }
    ).values
    assert values == {
        "t": [1, 2],
        "p": str(tmp_path),
        "e": "focal",
        "n": 3,
        "a": [1.5, 2],
        "f": 0.5,
        "5": {"5": None},
    }
    assert type(values["f"]) is float
    assert type(values["e"]) is str
    assert metrics_of({"f1": Tensor(0.5)}).values == {"f1": 0.5}


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", decimal.Decimal(1), Tensor(Tensor(1))])
def test_python_values_without_a_json_form(value: object) -> None:
    with pytest.raises(LedgerError, match=r"params: \$\.a\[0\]: .* has no JSON form"):
        params_of({"a": [value]})


def test_an_object_that_holds_itself() -> None:
    loop: dict[str, object] = {}
    loop["loop"] = loop
    with pytest.raises(InputError, match="nested more than"):
        params_of(loop)
