"""`ledger experiments`: what became of branches, and what their runs came to."""

from __future__ import annotations

import pytest
from conftest import Ledger, Repo
from projects import BY_MACHINE, HIGHER, MACRO, Project
from rewriting import Branch


@pytest.fixture
def schema(project: Project) -> None:
    project.declare("1", {"f1": HIGHER, "time": BY_MACHINE})
    project.repo.commit("schema")


def states(ledger: Ledger) -> dict[str, str]:
    return {one["experiment"]: one["state"] for one in ledger.json("experiments")}


@pytest.mark.slow
def test_what_becomes_of_a_branch(repo: Repo, ledger: Ledger) -> None:
    branch = Branch(repo)
    branch.record()
    branch.to_main()
    branch.record()
    assert states(ledger) == {"exp": "open", "main": "open"}
    branch.move_main("other file")
    made = branch.squash()
    assert states(ledger) == {"exp": "squashed", "main": "open"}
    repo.git("branch", "-q", "-D", "exp")
    found = {one["experiment"]: one for one in ledger.json("experiments")}["exp"]
    assert found["state"] == "squashed"
    assert found["attached"] == {"commit": made, "level": "patch"}
    repo.git("reset", "-q", "--hard", "HEAD~1")
    assert states(ledger)["exp"] == "deleted"
    repo.git("merge", "-q", "--no-ff", "-m", "merge", found["tip"])
    assert states(ledger)["exp"] == "merged"
    assert found["tip"] == branch.second
    assert len(ledger.json("runs")) == 2, "nothing is lost with its branch"


@pytest.mark.usefixtures("repo")
def test_a_name_that_is_no_branch_has_no_state(ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5", "--experiment", "sweep")
    assert states(ledger) == {"sweep": None}
    assert ledger("experiments").splitlines()[1].split()[:2] == ["sweep", "-"]


@pytest.mark.usefixtures("schema")
def test_best_follows_the_direction_and_stays_within_a_partition(ledger: Ledger) -> None:
    ids = [
        ledger.json("record", "-m", f"f1={f1}", "-m", f"time={time}", "-p", f"machine={machine}")["id"]
        for f1, time, machine in ((0.5, 3.0, "a"), (0.9, 2.0, "a"), (0.7, 1.0, "a"))
    ]
    (found,) = ledger.json("experiments", "-m", "f1", "-m", "time")
    assert found["best"]["f1"] == {"value": 0.9, "run_id": ids[1], "count": 3, "left_out": 0, "reason": ""}
    assert found["best"]["time"]["value"] == 1.0
    assert (found["runs"], found["commits"]) == (3, 1)
    ledger("record", "-m", "time=0.1", "-p", "machine=b")
    (found,) = ledger.json("experiments", "-m", "time")
    assert found["best"]["time"]["value"] is None
    assert found["best"]["time"]["reason"] == "values compare only within one machine"
    assert "* time: values compare only within one machine" in ledger("experiments", "-m", "time")
    assert ledger("experiments", "--csv").splitlines()[0] == "experiment,state,runs,commits,active,f1,time"
    assert ledger("experiments", "--md").startswith("| experiment")


@pytest.mark.usefixtures("schema")
def test_another_definition_is_left_out_and_counted(project: Project, repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    project.declare("2", {"f1": MACRO, "time": BY_MACHINE})
    repo.commit("other f1")
    ledger("record", "-m", "f1=0.4")
    (found,) = ledger.json("experiments", "-m", "f1")
    assert (found["best"]["f1"]["value"], found["best"]["f1"]["left_out"]) == (0.4, 1)
    assert "1 run left out" in ledger("experiments", "-m", "f1")
    ledger("experiments", "-m", "f1", "--strict", code=5)


@pytest.mark.usefixtures("repo")
def test_words_that_are_off(ledger: Ledger) -> None:
    assert "no runs yet" in ledger("experiments")
    ledger("record", "-m", "f1=0.5")
    ledger("experiments", "-m", "f1x", code=1)
    assert "did you mean f1" in ledger.err
    ledger("experiments", "--json", "--csv", code=2)
