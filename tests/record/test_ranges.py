"""Bounds: what is outside is found wherever it stands, and NaN hides nothing."""

from __future__ import annotations

import itertools
import json
import math

from ledger.record.ranges import Ranges
from ledger.schema import document
from ledger.store.points import Calls, Layout

_SCHEMA = {
    "type": "object",
    "properties": {
        "metrics": {
            "properties": {"f1": {"type": "number", "minimum": 0, "maximum": 1}, "loss": {"type": "number"}}
        }
    },
}
_PARSED = document.parse(json.dumps(_SCHEMA).encode(), name="task", what="task")


def _told(calls: Calls) -> list[str]:
    said: list[str] = []
    Ranges(_PARSED, lambda message, _: said.append(message), stop=False).check(calls)
    return said


def test_a_value_outside_is_found_beside_any_others() -> None:
    alone, pair = Layout(("f1",)), Layout(("loss", "f1"))
    for length in (1, 2, 3):
        for values in itertools.product((math.nan, 0.0, 1.0, -0.5, 1.5, math.inf), repeat=length):
            wrong = next((value for value in values if value < 0 or value > 1), None)
            wanted = [] if wrong is None else [f"f1 = {wrong:g}"]
            by_one = [item for value in values for item in (alone, 1, 2, value)]
            by_two = [item for value in values for item in (pair, 1, 2, (9.0, value))]
            for flat in (
                by_one,
                by_two,
                [*by_one, pair, 1, 2, (9.0, 0.5)],
                [pair, 1, 2, (9.0, 0.5), *by_one],
            ):
                assert [message.partition(":")[0] for message in _told(Calls.of(flat))] == wanted, values
