"""Values out of the schema's range are said while the run goes on, or stop it."""

from __future__ import annotations

import json

import pytest
from conftest import Ledger, Repo
from record.lived import metrics, points

from ledger import start
from ledger.errors import GateError

pytestmark = pytest.mark.usefixtures("repo")


@pytest.mark.usefixtures("schema")
def test_a_value_out_of_the_schemas_range_is_said_while_the_run_goes_on(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    with start() as run:
        run.log(f1=97.0)
        run.flush()
        assert "f1 = 97: maximum 1, says the schema" in capsys.readouterr().err
        run.summary["f1"] = 0.97
    assert metrics(ledger, run.id) == {"f1": 0.97}
    assert points(ledger, run.id) == [("f1", None, 97.0)]


@pytest.mark.usefixtures("schema")
def test_a_value_out_of_range_stops_training_where_that_is_asked() -> None:
    run = start(ranges="stop")
    run.log(f1=97.0)
    run.flush()
    with pytest.raises(GateError, match="maximum 1"):
        run.log(f1=0.5)
    run.finish("failed")


BOUNDS = {
    "closed": {"minimum": 0, "maximum": 1},
    "open": {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "both": {"minimum": 0, "exclusiveMinimum": 0, "maximum": 1, "exclusiveMaximum": 2},
}


@pytest.fixture
def bounded(repo: Repo) -> Repo:
    properties = {name: {"type": "number", **bounds} for name, bounds in BOUNDS.items()}
    schema = {"type": "object", "properties": {"metrics": {"type": "object", "properties": properties}}}
    repo.write(".ledger/schemas/task.json", json.dumps(schema))
    repo.commit("schema")
    return repo


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    ("name", "inside", "outside", "word"),
    [
        ("closed", [0, 1, 0.5], -1e-300, "minimum 0"),
        ("open", [5e-324, 1 - 2**-53], 0.0, "above 0"),
        ("open", [], 1.0, "below 1"),
        ("both", [1.0], 0.0, "above 0"),
        ("both", [float("nan"), None], 1.1, "maximum 1"),
        ("both", [0.5, float("nan"), 1.0], 1.1, "maximum 1"),
    ],
)
def test_bounds_are_looked_at_while_the_run_goes_on(
    name: str, inside: list[float | None], outside: float, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = start()
    for value in inside:
        run.log({name: value})
    run.log_many(name, None, [value for value in inside if value is not None])
    run.flush()
    assert capsys.readouterr().err == ""
    run.log({name: outside})
    run.flush()
    said = capsys.readouterr().err
    assert f"{name} = {outside:g}: {word}, says the schema" in said
    run.log_many(name, None, [outside])
    assert capsys.readouterr().err == "", "once is enough"
    run.summary[name] = 0.5
    assert run.finish() is not None


def test_the_configuration_says_what_a_value_out_of_range_does(
    bounded: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("stop", "ignore"):
        bounded.write(".ledger/config.toml", f'[live]\non_range = "{word}"\n')
        run = start(repository=bounded.path if word == "stop" else bounded.path / ".ledger")
        run.log_many("closed", None, [2.0])
        run.flush()
        if word == "stop":
            with pytest.raises(GateError, match="maximum 1"):
                run.log(closed=0.5)
        else:
            run.log(closed=0.5)
        run.summary["closed"] = 0.5
        assert run.finish("failed") is not None
    assert capsys.readouterr().err.count("says the schema") == 1


def test_a_word_that_is_none_is_told(bounded: Repo, ledger: Ledger) -> None:
    bounded.write(".ledger/config.toml", '[live]\non_range = "maybe"\n')
    ledger("run", "true", code=1)
    assert "on_range" in ledger.err
