"""A fetch writes tracking refs only, and believes nothing that it gets."""

from __future__ import annotations

import pytest
from share.clones import REF, Hub, exists, listed, runs, tip
from store.plumbing import blob, entries_of, files_of, piped, put, tree

PIN = "refs/ledger/pins/origin/main"
TRACKING = "refs/ledger/remotes/origin/main"


def test_a_fetch_moves_tracking_refs_only(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    hub.push(one)
    own = hub.record(other)
    before = tip(other)
    assert hub.fetch(other)["experiments"][0]["came"] == 1
    assert tip(other) == before
    assert runs(other) == [own]
    assert tip(other, TRACKING) == tip(other, PIN) == tip(hub.repo)


def test_a_record_after_a_fetch_stands_on_what_was_fetched(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    first = hub.record(one)
    hub.push(one)
    hub.fetch(other)
    second = hub.record(other)
    assert runs(other) == [first, second]


@pytest.mark.slow
def test_plain_git_fetch_into_tracking_refs_is_checked_all_the_same(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    hub.push(one)
    other.git("fetch", "-q", "origin", f"+refs/runs/*:{TRACKING.removesuffix('main')}*")
    own = hub.record(other)
    assert runs(other) == [own], "nothing is built on what nobody has checked"
    assert hub.pull(other)["experiments"][0]["came"] == 1
    assert len(runs(other)) == 2


@pytest.mark.parametrize(
    ("mode", "name", "said"),
    [
        ("120000", "schema.json", "mode 120000"),
        ("100644", "evil.sh", "not a file of a run"),
        ("100644", "..", "not a file of a run"),
    ],
)
def test_a_tree_that_is_no_runs_moves_nothing(hub: Hub, mode: str, name: str, said: str) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    hub.record(one, "--experiment", "sound")
    good = entries_of(one, files_of(one))
    put(one, tree(one, [*good, (mode, name, blob(one, b"/etc/passwd"))]))
    one.git("push", "-q", "origin", "refs/runs/*:refs/runs/*")
    if name != "..":  # that one git refuses by itself: fetch.fsckObjects
        (fault,) = hub.pull(other, code=4)["faults"]
        assert said in fault["what"]
        assert (fault["ref"], fault["commit"]) == (REF, tip(one))
        assert exists(other, "refs/runs/sound"), "the others go on"
    else:
        hub.ledger("-C", str(other.path), "pull", code=4)
    assert not exists(other, REF)
    assert not exists(other, PIN)


@pytest.mark.slow
def test_a_huge_file_is_not_read(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    put(one, tree(one, entries_of(one, {**files_of(one), "run.json": b" " * (5 << 20)})))
    one.git("push", "-q", "origin", REF)
    (fault,) = hub.pull(other, code=4)["faults"]
    assert fault["path"] == "run.json"
    assert "5,242,880 bytes" in fault["what"]


def test_a_merge_is_no_chain(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    hub.push(one)
    put(one, one.git("rev-parse", f"{REF}^{{tree}}"), parents=[tip(one), one.git("rev-parse", "main")])
    one.git("push", "-q", "origin", REF)
    (fault,) = hub.pull(other, code=4)["faults"]
    assert "more than one parent" in fault["what"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["blob", "tree", "tag"])
@pytest.mark.parametrize(
    "ref", ["refs/runs/odd", "refs/ledger/inbox/0123456789abcdef.odd", "refs/ledger/links"]
)
def test_what_is_no_commit_shuts_nobody_out(hub: Hub, ref: str, what: str) -> None:
    """git pushes anything to any ref but a branch, and a pin on it was in the way of every later pull."""
    _points_elsewhere(hub, ref, what)


@pytest.mark.slow
def test_a_log_of_redactions_that_is_no_commit_shuts_nobody_out(hub: Hub) -> None:
    for what in ("tag", "blob"):
        _points_elsewhere(hub, "refs/ledger/redactions", what)


def _points_elsewhere(hub: Hub, ref: str, what: str) -> None:
    repo = hub.clone(f"one-{what}")
    run = hub.record(repo)
    repo.git("tag", "-a", "-m", "x", "t", "HEAD")
    named = {"blob": "HEAD:train.py", "tree": "HEAD^{tree}", "tag": "t"}
    repo.git("push", "-q", "origin", f"+{repo.git('rev-parse', named[what])}:{ref}")
    for _ in range(2):
        hub.ledger("-C", str(repo.path), "pull", code=4)
        assert f"points to a {what}, not to a commit" in hub.ledger.err
    hub.ledger("-C", str(repo.path), "push", code=4)
    assert run in hub.runs()
    assert what not in repo.git("for-each-ref", "--format=%(objecttype)", "refs/ledger").split()


def test_a_record_that_cannot_be_read_shuts_nobody_out(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    put(
        one, tree(one, entries_of(one, {**files_of(one), "run.json": b"{}"})), parents=[tip(one)], message="x"
    )
    one.git("push", "-q", "origin", REF)
    own = hub.record(other)
    done = hub.push(other)
    assert [fault["path"] for fault in done["faults"]] == ["run.json"]
    assert hub.runs()[-1] == own


@pytest.mark.slow
def test_a_rewound_remote_is_told_and_healed(hub: Hub) -> None:
    one = hub.clone("one")
    wanted = [hub.record(one) for _ in range(3)]
    hub.push(one)
    hub.repo.git("update-ref", REF, f"{REF}~2")
    found = hub.pull(one, code=4)["rewound"]
    assert [(item["experiment"], item["lost"]) for item in found] == [("main", 2)]
    assert "set back" in hub.ledger.err
    wanted.append(hub.record(one))
    hub.push(one, code=4)
    assert len(hub.runs()) == 1, "nobody's rewinding is undone by chance"
    hub.pull(one, "--accept-rewind")
    hub.push(one)
    assert hub.runs() == wanted


@pytest.mark.slow
def test_a_chain_that_is_gone_is_told_and_healed(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    wanted = [hub.record(one)]
    hub.push(one)
    other.git("push", "-q", "--mirror", "origin")
    assert not exists(hub.repo, REF)
    assert hub.push(one, code=4)["rewound"][0]["is"] is None
    hub.pull(one, "--accept-rewind")
    hub.push(one)
    assert hub.runs() == wanted


@pytest.mark.slow
def test_shallow_and_partial_clones_stay_what_they_are(hub: Hub) -> None:
    for name, options in {"shallow": ("--depth=1",), "partial": ("--filter=blob:none",)}.items():
        hub.repo.git("config", "uploadpack.allowFilter", "true")
        seed = hub.clone(f"seed-{name}")
        seed.commit("more", train__py=f"print('{name}')\n")
        seed.git("push", "-q", "origin", "main")
        clone = hub.clone(name, *options)
        config = (clone.path / ".git/config").read_bytes()
        commits = clone.git("rev-list", "--count", "main")
        hub.record(seed)
        hub.push(seed)
        hub.pull(clone, "--whole")
        assert runs(clone) == runs(seed)
        assert (clone.path / ".git/config").read_bytes() == config
        assert clone.git("rev-list", "--count", "main") == commits
        missing = clone.git("rev-list", "--objects", "--missing=print", REF)
        assert "?" not in missing, "runs are fetched whole"
        assert listed(hub, clone)


@pytest.mark.slow
def test_links_come_into_a_place_of_their_own(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    made = piped(one, b"links\n", "commit-tree", one.git("rev-parse", "main^{tree}"))
    one.git("push", "-q", "origin", f"{made}:refs/ledger/links")
    hub.fetch(other)
    assert tip(other, "refs/ledger/links-from/origin") == made
    assert not exists(other, "refs/ledger/links")


@pytest.mark.slow
def test_everything_pruned_loses_no_unpublished_run(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    published = hub.record(one)
    hub.push(one)
    shared = hub.record(other)
    hub.push(other)
    kept = [hub.record(one), hub.record(one, "--experiment", "alone")]
    one.git("checkout", "-q", "--detach")  # git refuses to fetch into the branch that is checked out
    one.git("fetch", "-q", "--prune", "origin", "+refs/*:refs/*")
    one.git("reflog", "expire", "--expire=now", "--all")
    one.git("gc", "-q", "--prune=now")
    assert not exists(one, "refs/runs/alone")
    done = hub.push(one)
    assert done["restored"] == 2
    assert hub.runs() == [published, shared, kept[0]]
    assert hub.runs("refs/runs/alone") == [kept[1]]
    assert hub.push(one)["restored"] == 0
    one.git("remote", "set-head", "origin", "--delete")  # it points to what was pruned
    assert "missing" not in one.git("fsck", "--strict", "--no-dangling")


@pytest.mark.slow
def test_a_pruned_tracking_ref_is_made_again(hub: Hub) -> None:
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    second = hub.record(one)
    one.git("update-ref", "-d", TRACKING)
    hub.push(one)
    assert hub.runs()[-1] == second
    one.git("update-ref", "-d", TRACKING)
    one.git("update-ref", "-d", PIN)
    third = hub.record(one)
    hub.push(one)
    assert len(hub.runs()) == 3
    assert hub.runs()[-1] == third


@pytest.mark.slow
def test_one_huge_file_under_two_names_is_seen_under_both(hub: Hub) -> None:
    one, other = hub.clone("one"), hub.clone("other")
    hub.record(one)
    huge = b'{"message": "x"}\n' * 400_000
    assert 4 << 20 < len(huge) < 64 << 20
    put(one, tree(one, entries_of(one, {**files_of(one), "run.json": huge, "events.jsonl": huge})))
    one.git("push", "-q", "origin", REF)
    assert [fault["path"] for fault in hub.fetch(other, code=4)["faults"]] == ["run.json"]
