"""A schema drafted from samples fits them, and says no more than they do."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.model import Json, Metric
from ledger.schema import document, draft


def drafted(*samples: tuple[dict[str, Json], dict[str, Metric]]) -> tuple[dict[str, Any], dict[str, Any]]:
    body = json.loads(draft.infer(samples, name="s"))
    return body["properties"]["params"], body["properties"]["metrics"]


def test_types_come_from_all_samples() -> None:
    params, metrics = drafted(
        (
            {"lr": 1, "layers": 4, "optimizer": "SGD", "amp": True, "dims": [1], "x": None},
            {"f1": 0.5, "tokens": 900},
        ),
        (
            {"lr": 0.1, "layers": 8, "optimizer": None, "amp": False, "dims": [], "x": None},
            {"f1": None, "tokens": 5},
        ),
    )
    assert {name: node.get("type") for name, node in params["properties"].items()} == {
        "lr": "number",
        "layers": "integer",
        "optimizer": ["null", "string"],
        "amp": "boolean",
        "dims": "array",
        "x": None,
    }
    assert metrics["properties"]["f1"]["type"] == ["null", "number"]
    assert metrics["properties"]["tokens"] == {"type": "number"}


def test_zero_and_one_say_nothing_about_the_next_value() -> None:
    params, metrics = drafted(({"lr": 1, "dropout": 0}, {"accuracy": 1}))
    assert {node["type"] for node in (*params["properties"].values(), *metrics["properties"].values())} == {
        "number"
    }


def test_required_is_what_several_samples_all_have() -> None:
    params, metrics = drafted(({"a": 1, "b": 1}, {"f1": 1.0}), ({"a": 1}, {"f1": 1.0, "loss": 2.0}))
    assert (params["required"], metrics["required"]) == (["a"], ["f1"])
    assert "required" not in drafted(({"a": 1}, {}))[0]


def test_nested_params_are_described_inside() -> None:
    params, _ = drafted(({"model": {"depth": 2}}, {}), ({"model": {"depth": 3, "width": 0.5}}, {}))
    assert params["properties"]["model"] == {
        "type": "object",
        "properties": {"depth": {"type": "integer"}, "width": {"type": "number"}},
        "required": ["depth"],
    }


def test_nothing_is_invented() -> None:
    _, metrics = drafted(({}, {"val/f1@5": 0.9, "loss": math.nan, "my number": 3.5}))
    assert metrics["properties"] == {
        "val/f1@5": {"type": "number", "x-ledger": {"direction": "higher"}},
        "loss": {"type": "number", "x-ledger": {"direction": "lower"}},
        "my number": {"type": "number"},
    }


def test_the_draft_tells_what_to_fill_in() -> None:
    data = draft.infer([], name="main")
    body = json.loads(data)
    assert data == canonical.dumps(body)
    assert body["$schema"] == document.DIALECT
    assert "unit" in body["description"]
    assert "how" in body["description"]
    assert document.parse(data, name="main", what="main.json").version == "1"


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("f1", "higher"),
        ("val/f1@5", "higher"),
        ("top5_acc", "higher"),
        ("best_val_accuracy", "higher"),
        ("average_precision", "higher"),
        ("r2_score", "higher"),
        ("NDCG@10", "higher"),
        ("train_loss", "lower"),
        ("loss/val", "lower"),
        ("mean_squared_error", "lower"),
        ("latency_p95_ms", "lower"),
        ("test.RMSE", "lower"),
        ("loss_scale", None),
        ("learning_rate", None),
        ("test_score", None),
        ("mean", None),
        ("n_errors_fixed", None),
        ("", None),
    ],
)
def test_a_direction_only_where_the_name_leaves_no_doubt(name: str, better: str | None) -> None:
    assert draft.direction(name) == better


_scalars = st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text("ab", max_size=2)
_params = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab$"), inner, max_size=2),
)
_samples = st.tuples(
    st.dictionaries(st.sampled_from(["a", "b", "$ref"]), _params, max_size=3),
    st.dictionaries(
        st.sampled_from(["f1", "loss", "n"]), st.none() | st.integers() | st.floats(), max_size=3
    ),
)


@given(st.lists(_samples, max_size=4))
def test_every_sample_fits_the_draft(samples: list[tuple[dict[str, Json], dict[str, Metric]]]) -> None:
    schema = document.parse(draft.infer(samples, name="s"), name="s", what="s.json")
    for params, metrics in samples:
        assert document.validate(schema, params, metrics, origin=lambda part, name: f"{part}/{name}") == ()
