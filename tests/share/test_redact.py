"""A leaked value is taken out: here, on the remote, in every clone, and it never comes back."""

from __future__ import annotations

import json

import pytest
from conftest import Repo
from share.clones import REF, Hub, exists, runs, tip
from share.leaks import PLACE, SECRET, assert_forgotten, everything, leak, leaked_into_two, redact


def test_a_value_is_taken_out_and_all_else_stays(hub: Hub) -> None:
    one = hub.clone("one")
    before = hub.record(one, f1=0.1)
    leaked = leak(hub, one)
    hub.ledger("-C", str(one.path), "note", leaked[:8], "an edit carries the params along")
    after = hub.record(one, f1=0.9)
    first = tip(one, f"{REF}~3")
    trees = one.git("log", "--format=%T", REF).split()
    hub.ledger("-C", str(one.path), "runs")  # an index that holds the value
    assert SECRET.encode() in everything(one)

    done = redact(hub, one, leaked)
    assert (done["records"], done["rebuilt"], done["on_remote"], done["elsewhere"]) == (2, 3, [], [])
    assert runs(one) == [before, leaked, leaked, after]
    assert tip(one, f"{REF}~3") == first
    new = one.git("log", "--format=%T", REF).split()
    assert [a == b for a, b in zip(trees, new, strict=True)] == [True, False, False, True]
    shown = hub.ledger.json("-C", str(one.path), "show", leaked[:8])
    mark = done["redactions"][0]["id"][:12]
    assert shown["params"] == {"auth": {"pass": f"[redacted {mark}]", "user": "ada"}, "lr": 0.1}
    assert_forgotten(one)
    hub.ledger("-C", str(one.path), "verify")

    entry = json.loads(one.git("show", "refs/ledger/redactions:redaction.json"))
    assert (entry["run"], entry["path"], entry["reason"]) == (leaked, PLACE, "it leaked")
    assert SECRET not in json.dumps(entry)


@pytest.mark.long
def test_the_remote_is_replaced_when_asked_and_a_stale_clone_follows(hub: Hub) -> None:
    one, stale = hub.clone("one"), hub.clone("stale")
    leaked = leak(hub, one)
    published = hub.record(one)
    hub.push(one)
    hub.pull(stale)
    hub.ledger("-C", str(stale.path), "tag", leaked[:8], "stage=x")  # unpublished, and it carries the value
    own = hub.record(stale, f1=0.3)

    assert redact(hub, one, leaked)["on_remote"] == ["main"]
    later = hub.record(one, f1=0.8)
    held = hub.push(one, code=4)
    assert "ledger push --redacted" in held["experiments"][0]["problem"]
    assert hub.runs() == [leaked, published]
    hub.pull(one, code=4)
    assert SECRET not in one.git("log", "-p", REF), "a pull does not bring it back"
    hub.push(one, "--redacted")
    assert hub.runs() == [leaked, published, later]
    assert tip(hub.repo) == tip(one)

    told = hub.push(stale)
    assert told["redacted"][0]["reason"] == "it leaked"
    assert told["rewound"] == []
    assert hub.runs() == [leaked, published, later, leaked, own]
    assert tip(hub.repo) == tip(stale)
    hub.pull(one)
    assert tip(one) == tip(stale)
    for clone in (one, stale, hub.repo, hub.clone("fresh", "--mirror")):
        assert SECRET.encode() not in everything(clone)
    assert_forgotten(one)
    assert_forgotten(stale)
    again = hub.push(stale)
    assert (again["pushes"], again["redacted"]) == (0, [])


@pytest.mark.long
def test_two_clones_redact_at_once_and_others_record_meanwhile(hub: Hub) -> None:
    one, two = hub.clone("one"), hub.clone("two")
    first, second = leak(hub, one), leak(hub, one)
    hub.push(one)
    hub.pull(two)
    redact(hub, one, first)
    redact(hub, two, second)
    mine, theirs = hub.record(one, f1=0.6), hub.record(two, f1=0.7)
    hub.push(one, "--redacted")
    hub.push(two, "--redacted")
    assert hub.runs() == [first, second, mine, theirs]
    hub.pull(one)
    for clone in (one, two, hub.repo):
        assert SECRET.encode() not in everything(clone)
    assert tip(one) == tip(two) == tip(hub.repo)
    assert tip(one, "refs/ledger/redactions") == tip(two, "refs/ledger/redactions")
    assert len(one.git("rev-list", "refs/ledger/redactions").split()) == 2


@pytest.mark.long
def test_an_old_chain_that_is_forced_back_is_told_and_not_taken_over(hub: Hub) -> None:
    one, stale, leaked = leaked_into_two(hub)
    redact(hub, one, leaked)
    hub.push(one, "--redacted")
    clean = tip(one)
    stale.git("push", "-q", "--force", "origin", REF)
    told = hub.pull(one, code=4)
    assert "still on the remote" in told["experiments"][0]["problem"]
    assert tip(one) == clean
    hub.push(one, "--redacted")
    assert tip(hub.repo) == clean


@pytest.mark.long
def test_a_mirror_is_replaced_when_asked(hub: Hub) -> None:
    one = hub.clone("one")
    mirror = Repo(hub.folder / "mirror.git")
    one.git("init", "-q", "--bare", str(mirror.path))
    one.git("remote", "add", "mirror", f"file://{mirror.path}")
    leaked = leak(hub, one)
    hub.ledger("-C", str(one.path), "push", "origin", "mirror")
    redact(hub, one, leaked)
    hub.push(one, "--redacted")
    held = hub.push(one, "mirror", code=4)
    assert "still on the remote" in held["experiments"][0]["problem"]
    assert SECRET in mirror.git("log", "-p", REF)
    assert hub.push(one, "mirror", "--redacted")["experiments"][0]["replaced"] is True
    assert tip(mirror) == tip(one)
    assert tip(mirror, "refs/ledger/redactions") == tip(one, "refs/ledger/redactions")
    assert SECRET.encode() not in everything(mirror)


@pytest.mark.long
def test_a_chain_that_lost_a_record_besides_is_a_rewound_one(hub: Hub) -> None:
    one, stale = hub.clone("one"), hub.clone("stale")
    hub.record(stale)
    leaked = leak(hub, stale)
    hub.push(stale)
    hub.pull(one)
    redact(hub, one, leaked)
    hub.push(one, "--redacted")
    alone = one.git("commit-tree", f"{REF}^{{tree}}", "-m", one.git("log", "-1", "--format=%B", REF))
    one.git("push", "-q", "--force", "origin", f"{alone}:{REF}")
    assert hub.pull(stale, code=4)["rewound"][0]["experiment"] == "main"


@pytest.mark.long
def test_the_hook_lets_in_what_was_redacted_and_nothing_banned(hub: Hub) -> None:
    hub.guard("update")
    one, stale, leaked = leaked_into_two(hub)
    redact(hub, one, leaked)
    hub.ledger("-C", str(one.path), "push", "--redacted", code=1)
    assert "ledger.allowRedaction" in hub.ledger.err
    hub.repo.git("config", "ledger.allowRedaction", "true")
    hub.push(one, "--redacted")
    assert tip(hub.repo) == tip(one)
    with pytest.raises(AssertionError, match="brings back what was taken out"):
        stale.git("push", "origin", f"{REF}:refs/ledger/inbox/{'0' * 16}.main")
    with pytest.raises(AssertionError, match="ledger pull"):
        stale.git("push", "--force", "origin", REF)


@pytest.mark.slow
def test_killed_between_the_note_and_the_chain(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.share import redact

    one = hub.clone("one")
    leaked = leak(hub, one)
    hub.push(one)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(redact, "merge", killed)
        words = ("redact", leaked[:8], "--path", PLACE, "--reason", "it leaked")
        hub.ledger("-C", str(one.path), *words, code=130)
    assert exists(one, "refs/ledger/redactions")
    hub.push(one, "--redacted")
    assert SECRET.encode() not in everything(hub.repo)
    assert_forgotten(one)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--path", "params.json:/lr/x"], 1),
        (["--path", "params.json:/nothing"], 1),
        (["--path", "metrics.json:/f1"], 1),
        (["--path", "run.json:/id"], 1),
        (["--path", "../../etc/passwd:/x"], 1),
        (["--path", "params.json"], 1),
    ],
)
def test_what_is_no_value_is_refused(hub: Hub, words: list[str], code: int) -> None:
    one = hub.clone("one")
    leaked = leak(hub, one)
    before = tip(one)
    hub.ledger("-C", str(one.path), "redact", leaked[:8], "--reason", "x", *words, code=code)
    assert tip(one) == before
    assert not exists(one, "refs/ledger/redactions")


@pytest.mark.slow
def test_a_note_and_the_same_text_elsewhere(hub: Hub) -> None:
    one = hub.clone("one")
    leaked = leak(hub, one, "--note", f"used {SECRET}")
    done = redact(hub, one, leaked)
    assert done["elsewhere"] == [f"{REF} {tip(one)[:12]} run.json:/note"]
    assert "stands elsewhere" in hub.ledger.err
    redact(hub, one, leaked, "run.json:/note")
    assert_forgotten(one)
    assert hub.ledger.json("-C", str(one.path), "show", leaked[:8])["run"]["note"].startswith("[redacted ")


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True])
def test_a_log_that_somebody_replaced_is_put_back_by_the_command_that_the_hint_names(
    hub: Hub, known: bool
) -> None:
    """Where no hook keeps it out: nothing moves, since nobody knows what must not be brought back."""
    one, log = hub.clone("one"), "refs/ledger/redactions"
    run = hub.record(one, "-p", "token=hunter22")
    hub.push(one)
    if known:
        words = ("redact", run, "--path", "params.json:/token", "--reason", "leaked")
        hub.ledger("-C", str(one.path), *words)
        hub.push(one, "--redacted")
        hub.pull(one)
    before = one.git("ls-remote", "origin", log)
    side = one.git("commit-tree", "HEAD^{tree}", "-m", "side")
    merge = one.git("commit-tree", "HEAD^{tree}", "-m", "merge", "-p", "HEAD", "-p", side)
    one.git("push", "-q", "origin", f"+{merge}:{log}")
    later = hub.record(one)
    hub.ledger("-C", str(one.path), "push", code=1)
    assert "origin: refs/ledger/redactions is not a log of redactions" in hub.ledger.err
    one.git(*hub.ledger.err.rpartition(": git ")[2].split())
    assert one.git("ls-remote", "origin", log) == before
    hub.push(one)
    assert hub.runs() == [run, later]
