"""What goes wrong between clones: cut lines, edits on both sides, writers beside a push, several work trees."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from faults.crew import Clock, acknowledged, say
from share.clones import REF, Hub, bare, exists, listed, runs, tip

import ledger as api

pytestmark = pytest.mark.faults

_FOLDER = Path(__file__).parent


@pytest.fixture
def hub(tmp_path: Path, ledger: Ledger, first_template: Path) -> Hub:
    return Hub(tmp_path, ledger, bare(first_template))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_line_that_is_cut_doubles_nothing(hub: Hub, tmp_path: Path, when: str) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    made = [hub.record(other)]
    hub.push(other)
    made += [hub.record(one) for _ in range(3)]
    flag = tmp_path / "flag"
    flag.touch()
    wrapper = tmp_path / "receive-pack"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} {_FOLDER}/cut.py {when} {flag} "$@"\n')
    wrapper.chmod(0o755)
    one.git("config", "remote.origin.receivepack", str(wrapper))
    done = hub.push(one)
    assert not flag.exists(), "the line was not cut"
    assert hub.runs() == made
    assert done["experiments"][0]["sent"] == 3
    assert done["pushes"] == (1 if when == "after" else 2)


_REFUSE = """
while read old new ref; do
  for commit in $(git rev-list $new --not --all); do
    git show $commit:params.json | grep -q poison && echo "no" >&2 && exit 1
  done
done
exit 0
"""


@pytest.mark.parametrize("bad", [0, 62, 99])
def test_one_refused_run_of_a_hundred_is_named_and_99_arrive(hub: Hub, bad: int) -> None:
    hub.hook("pre-receive", _REFUSE)
    one = hub.clone("one")
    batch = [
        {
            "params": {"data": "poison" if number == bad else "clean"},
            "metrics": {"f1": number / 100},
            "experiment": "main",
        }
        for number in range(100)
    ]
    made = [done.id for done in api.record_many(batch, repository=one.path)]
    report = hub.push(one, code=1)
    (done,) = report["experiments"]
    assert hub.runs() == [run for run in made if run != made[bad]]
    assert (done["sent"], len(done["quarantined"])) == (99, 1)
    assert done["quarantined"][0] in hub.ledger.err
    (shown,) = (row for row in hub.ledger.json("-C", str(one.path), "show", made[bad])["records"])
    assert done["quarantined"] == [shown["record"]]
    assert report["pushes"] <= 2 * math.log2(100)
    say(f"run {bad + 1} of 100 refused: 99 arrived in {report['pushes']} pushes")


def test_a_run_edited_in_two_clones_is_merged_by_field(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    run = hub.record(one)
    hub.push(one)
    hub.pull(other)
    _edit(hub, one, run, "f1=0.6", "tag-one")
    _edit(hub, other, run, "f1=0.7", "tag-other")
    hub.push(one)
    hub.push(other)
    hub.pull(one)
    for clone in (one, other):
        shown = hub.ledger.json("-C", str(clone.path), "show", run)
        assert shown["metrics"]["f1"]["value"] == 0.7, "the later one counts"
        assert set(shown["run"]["tags"]) == {"tag-one", "tag-other"}
        assert [item["field"] for item in shown["conflicts"]] == ["metrics.f1"]
    assert tip(one) == tip(other) == tip(hub.repo)
    assert hub.ledger.json("-C", str(one.path), "verify")["faults"] == []


def _edit(hub: Hub, clone: Repo, run: str, value: str, tag: str) -> None:
    hub.ledger("-C", str(clone.path), "amend", run, "-m", value, "--reason", "measured again")
    hub.ledger("-C", str(clone.path), "tag", run, f"{tag}=yes")


def test_an_edit_whose_first_record_is_unpublished_elsewhere_blocks_nothing(hub: Hub) -> None:
    one = hub.clone("one")
    run = hub.record(one)
    subprocess.run(["cp", "-r", str(one.path), str(hub.folder / "other")], check=True)
    other = Repo(hub.folder / "other")
    (other.path / ".git/ledger/writer").unlink(missing_ok=True)
    hub.ledger("-C", str(other.path), "tag", run, "kept=yes")
    # Only the edit is there: its base is unpublished, in the other clone.
    tree = other.git("rev-parse", f"{REF}^{{tree}}")
    message = other.git("show", "-s", "--format=%B", REF)
    alone = other.git("commit-tree", tree, "-m", message)
    other.git("update-ref", REF, alone)
    for path in (other.path / ".git/ledger/chained").glob("*/*.zip"):
        path.unlink()
    later = hub.record(other)
    assert hub.push(other)["experiments"][0]["sent"] == 2
    third = hub.clone("third")
    hub.pull(third)
    assert set(listed(hub, third)) == {run, later}
    hub.push(one)
    hub.pull(third)
    assert set(listed(hub, third)) == {run, later}
    assert hub.ledger.json("-C", str(third.path), "show", run)["run"]["tags"] == {"kept": "yes"}


def test_a_push_beside_four_writers_ends_while_they_record(hub: Hub, tmp_path: Path) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    folder = tmp_path / "acknowledged"
    folder.mkdir()
    writers = [
        subprocess.Popen(
            [sys.executable, str(_FOLDER / "writer.py"), str(n), "0", str(folder / str(n))],
            cwd=one.path,
            stdin=subprocess.PIPE,
        )
        for n in range(4)
    ]
    sends = 0
    for _ in range(3):
        hub.record(other)
        hub.push(other)
        sends += hub.push(one)["pushes"]
    assert [writer.poll() for writer in writers] == [None] * 4
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 4
    hub.push(one)
    made = acknowledged(folder)
    there = hub.runs()
    assert len(there) == len(set(there)) == len(set(made)) + 3
    assert set(made) <= set(there)
    assert runs(one) == there
    say(f"{len(made)} runs recorded beside {sends} pushes, 3 others came in between")


def test_two_work_trees_push_at_once(hub: Hub, tmp_path: Path) -> None:
    one = hub.clone("one")
    other = tmp_path / "tree"
    one.git("worktree", "add", "-q", "-b", "exp/tree", str(other))
    folder = tmp_path / "acknowledged"
    folder.mkdir()
    syncing = [
        subprocess.Popen(
            [sys.executable, str(_FOLDER / "syncing.py"), str(folder / place.name), "6"],
            cwd=place,
            stdout=subprocess.DEVNULL,
        )
        for place in (one.path, other)
    ]
    assert [process.wait() for process in syncing] == [0, 0]
    refs = hub.repo.git("for-each-ref", "--format=%(refname)", "refs/runs/").split()
    there = [run for ref in refs for run in hub.runs(ref)]
    assert sorted(there) == sorted(acknowledged(folder))
    assert len(refs) == 2


def test_a_killed_push_leaves_nothing_in_the_way(hub: Hub) -> None:
    one = hub.clone("one")
    made = [hub.record(one)]
    clock = Clock()
    subprocess.run(
        [sys.executable, "-m", "ledger", "push"], cwd=one.path, check=True, stdout=subprocess.DEVNULL
    )
    whole = clock.seconds  # of a push on this machine, now
    for share in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        delay = share * whole
        made.append(hub.record(one))
        process = subprocess.Popen(
            [sys.executable, "-m", "ledger", "push"],
            cwd=one.path,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
    # What a kill in the middle of a ref transaction leaves, at every ref that a push writes.
    for ref in ("pins/origin/main", "remotes/origin/main"):
        path = one.path / ".git/refs/ledger" / f"{ref}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    state = (one.path / ".git/ledger/sync.lock").read_text()
    (one.path / ".git/ledger/sync.lock").write_text(state.replace('"open": false', '"open": true'))
    hub.push(one)
    assert hub.runs() == made
    assert exists(one, "refs/ledger/pins/origin/main")
    assert hub.ledger.json("-C", str(one.path), "verify")["faults"] == []
