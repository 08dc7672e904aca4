"""What a caller says in words, and the runs that one names: wrong use is an error at once, in both ways to record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Ledger

import ledger as package
from ledger import start
from ledger.errors import InputError, UsageError

_WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": 5}, "the name is 5, not text"),
    ({"note": 5}, "the note is 5, not text"),
    ({"experiment": 5}, "the experiment is 5, not text"),
    ({"schema": 5}, "the schema is 5, not text"),
    ({"tags": {"a": 5}}, "tag 'a': 5 is not text"),
    ({"tags": {5: "a"}}, "the name of a tag is 5"),
    ({"tags": {"": "a"}}, 'name "" is empty'),
    ({"tags": ["a"]}, "tags are a mapping"),
    ({"parent": "abcd"}, "parent is 'abcd', no run's full id"),
    ({"parent": ""}, "parent is '', no run's full id"),
    ({"parent": 5}, "5 names no run"),
]
_OF_START: list[tuple[dict[str, Any], str]] = [
    ({"attach": "abcd"}, "'abcd' is no full run id"),
    ({"resume": 5}, "5 names no run"),
    ({"on_error": "ignore"}, "on_error is 'ignore'"),
    ({"ranges": "raise"}, "ranges is 'raise'"),
]


@pytest.mark.usefixtures("repo")
def test_wrong_words_are_refused_before_anything_is_recorded(ledger: Ledger) -> None:
    for given, message in _WRONG:
        for way in (start, lambda **words: package.record(metrics={"f1": 1}, **words)):
            with pytest.raises(InputError, match=message.replace("'", ".")):
                way(**given)
    for given, message in _OF_START:
        with pytest.raises(InputError, match=message):
            start(**given)
    with pytest.raises(UsageError, match="not a run id"):
        start(resume="")
    assert ledger.json("runs") == []
    assert ledger.json("status")["running"] == []


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize(
    "wrong", [lambda run: run.note(5), lambda run: run.tag(5, "a"), lambda run: run.tag("a", 5)]
)
def test_later_words_too(wrong: Callable[[Any], object], ledger: Ledger) -> None:
    with start() as run, pytest.raises(InputError):
        wrong(run)
    assert ledger.json("verify")["faults"] == []


@pytest.mark.usefixtures("repo")
def test_a_run_can_be_named_by_itself(ledger: Ledger) -> None:
    with start(name="sweep") as sweep:
        assert repr(sweep) == f"<Run {sweep.id[:8]} of main: goes on>"
        with start(parent=sweep) as child:
            child.log(loss=1.0, step=0)
        done = package.record(history={"f1": [1.0, 2.0]}, parent=sweep)
    assert package.history(done, ["f1"]).num_rows == 2
    with start(resume=child) as again:
        again.log(loss=0.5, step=1)
    assert package.history(again).num_rows == 2
    rows = {row["run_id"]: row["parent"] for row in ledger.json("runs")}
    assert rows == {sweep.id: None, child.id: sweep.id, done.id: sweep.id}
