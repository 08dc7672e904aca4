"""The schemas that ship."""

from __future__ import annotations

import json

import pytest

from ledger import canonical, resources
from ledger.errors import NotFoundError
from ledger.model import Metric
from ledger.schema import document, starters

BY_NAME: dict[str, dict[str, Metric]] = {
    "classification": {"accuracy": 0.97, "f1": 0.91, "log_loss": 0.31, "roc_auc": 0.99},
    "regression": {"mse": 2.25, "rmse": 1.5, "mae": 1.1, "r2": -3.0},
    "ranking": {"ndcg@10": 0.4, "map": 0.3, "mrr": 0.5, "recall@10": 0.7},
    "language-model": {"loss": 2.3, "perplexity": 9.97, "bits_per_byte": 0.9, "bleu": 31.2, "acc_norm": 0.6},
}


def test_every_file_is_a_starter_and_has_a_case_here() -> None:
    files = {path.stem for path in (resources.folder("schemas") / "starters").iterdir()}
    assert files == set(starters.names()) == set(BY_NAME)


@pytest.mark.parametrize("name", starters.names())
def test_a_starter_is_a_schema_that_refuses_no_name_and_demands_none(name: str) -> None:
    schema = document.parse(starters.load(name), name=name, what=f"{name}.json")
    own: dict[str, Metric] = {**BY_NAME[name], "my/own@metric": None}
    assert set(BY_NAME[name]) <= set(schema.metrics)
    assert not schema.strict
    for metrics in ({}, own, dict.fromkeys(schema.metrics)):
        assert (
            document.validate(schema, {"lr": "any", "seed": None}, metrics, origin=lambda part, _: part) == ()
        )


@pytest.mark.parametrize("name", starters.names())
def test_every_metric_of_a_starter_says_what_it_means(name: str) -> None:
    schema = document.parse(starters.load(name), name=name, what=f"{name}.json")
    for definition in schema.metrics.values():
        assert definition.unit, definition.name
        assert definition.direction in ("higher", "lower"), definition.name
        assert definition.description.endswith("."), definition.name
        assert definition.how or "under" in definition.description, definition.name
    dids = {definition.did for definition in schema.metrics.values()}
    assert len(dids) == len(schema.metrics)


def test_a_percentage_where_a_fraction_is_meant_is_refused_with_a_hint() -> None:
    schema = document.parse(starters.load("classification"), name="c", what="c")
    (fault,) = document.validate(schema, {}, {"accuracy": 97.0}, origin=lambda part, _: part)
    assert fault.hint == "a percentage? the unit is 1"


@pytest.mark.parametrize("name", starters.names())
def test_a_starter_describes_itself_in_a_line(name: str) -> None:
    description = starters.describe(name)
    assert "\n" not in description
    assert 20 < len(description) < 140


@pytest.mark.parametrize("name", starters.names())
def test_starters_are_readable_files(name: str) -> None:
    data = starters.load(name)
    assert data.decode() == json.dumps(json.loads(data), indent=2, ensure_ascii=False) + "\n"
    assert canonical.loads(data, what=name)["$schema"] == document.DIALECT


def test_an_unknown_starter_suggests_a_near_one() -> None:
    with pytest.raises(NotFoundError) as caught:
        starters.load("clasification")
    assert caught.value.hint == "did you mean classification?"
    with pytest.raises(NotFoundError) as far:
        starters.load("../run")
    assert "language-model" in far.value.hint
