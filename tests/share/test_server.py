"""A bare remote with the hooks that ship, and real pushes: from ledger, from plain git, and from somebody hostile."""

from __future__ import annotations

import subprocess

import pytest
from conftest import Repo
from share.clones import REF, Hub, tip

pytestmark = pytest.mark.slow


@pytest.fixture(params=["update", "pre-receive"])
def guarded(hub: Hub, request: pytest.FixtureRequest) -> Hub:
    """With one of the hooks, and ledger on the server."""
    hub.guard(request.param)
    return hub


def _refused(clone: Repo, *words: str) -> str:
    done = subprocess.run(
        ["git", "push", "origin", *words], cwd=clone.path, capture_output=True, text=True, check=False
    )
    assert done.returncode, done.stderr
    return done.stderr


def _tree(clone: Repo, changes: dict[str, str | None], mode: str = "100644") -> str:
    """The tree of the last run with files replaced or taken away."""
    entries = dict(line.split("\t")[::-1] for line in clone.git("ls-tree", REF).splitlines())
    for name, text in changes.items():
        entries.pop(name, None)
        if text is not None:
            path = clone.write("x", text)
            entries[name] = f"{mode} blob {clone.git('hash-object', '-w', str(path))}"
    done = subprocess.run(
        ["git", "mktree"],
        cwd=clone.path,
        input="".join(f"{what}\t{name}\n" for name, what in entries.items()),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _commit(clone: Repo, tree: str, *parents: str) -> str:
    message = clone.git("log", "-1", "--format=%B", REF)
    return clone.git("commit-tree", tree, *(w for p in parents for w in ("-p", p)), "-m", message)


@pytest.mark.long
def test_sound_runs_come_in(guarded: Hub) -> None:
    one = guarded.clone("one")
    first = guarded.record(one, "-p", "lr=0.1")
    guarded.push(one)
    second = guarded.record(one)
    guarded.push(one)
    assert guarded.runs() == [first, second]
    boxed = guarded.record(one, f1=0.7)
    guarded.push(one, "--inbox")
    guarded.push(one)
    assert guarded.runs() == [first, second, boxed]
    assert guarded.repo.git("for-each-ref", "refs/ledger/inbox") == "", "folded: it may go"


@pytest.mark.long
def test_chains_only_grow(guarded: Hub) -> None:
    one = guarded.clone("one")
    guarded.record(one)
    start = tip(one)
    guarded.record(one)
    guarded.push(one)
    end = tip(one)
    for words in ([f":{REF}"], [f"+{start}:{REF}"], [f"+{_commit(one, _tree(one, {}), start)}:{REF}"]):
        said = _refused(one, *words)
        assert "mend: " in said
    assert "ledger redact" in _refused(one, f":{REF}")
    assert "ledger pull" in _refused(one, f"+{start}:{REF}")
    assert tip(guarded.repo) == end


@pytest.mark.long
def test_an_inbox_keeps_what_no_chain_has(guarded: Hub) -> None:
    one = guarded.clone("one")
    guarded.record(one)
    guarded.push(one, "--inbox")
    ref = guarded.repo.git("for-each-ref", "--format=%(refname)", "refs/ledger/inbox")
    assert "1 of its records are on no chain yet" in _refused(one, f":{ref}")
    assert "belongs to one clone only" in _refused(one, f"{REF}:refs/ledger/quarantine/main")


DAMAGED: dict[str, tuple[dict[str, str | None], str]] = {
    "foreign": ({"notes.txt": "hello"}, "notes.txt: not a file of a run"),
    "missing": ({"params.json": None}, "params.json: is missing"),
    "duplicate": ({"metrics.json": '{"f1": 0.5, "f1": 0.6}\n'}, "stands twice"),
    "huge": ({"metrics.json": "x" * (17 << 20)}, "the limit is 16,777,216"),
    "history": ({"history.parquet": "PAR1 and nothing else"}, "history.parquet"),
}


@pytest.mark.parametrize(
    ("changes", "said"),
    DAMAGED.values(),
    ids=DAMAGED,
)
def test_records_are_whole_and_small(hub: Hub, changes: dict[str, str | None], said: str) -> None:
    hub.guard("pre-receive")
    one = hub.clone("one")
    hub.record(one)
    bad = _commit(one, _tree(one, changes))
    told = _refused(one, f"{bad}:{REF}")
    assert said in told
    assert bad[:12] in told, "so that a pusher's ledger sets it aside at once"
    assert hub.repo.git("for-each-ref", REF) == ""
    assert bad not in hub.repo.git("cat-file", "--batch-check", "--batch-all-objects")


def test_a_symlink_and_a_merge_are_no_runs(hub: Hub) -> None:
    hub.guard("pre-receive")
    one = hub.clone("one")
    hub.record(one)
    link = _commit(one, _tree(one, {"events.jsonl": "/etc/passwd"}, mode="120000"))
    assert "events.jsonl: a symlink, not a regular file" in _refused(one, f"{link}:{REF}")
    merge = _commit(one, _tree(one, {}), tip(one), "HEAD")
    assert "more than one parent" in _refused(one, f"{merge}:{REF}")


@pytest.mark.long
def test_a_record_that_breaks_its_schema_is_set_aside_and_the_others_arrive(guarded: Hub) -> None:
    one = guarded.clone("one")
    guarded.ledger("-C", str(one.path), "init", "--starter", "classification")
    sound = guarded.record(one, "-m", "accuracy=0.5", "-m", "loss=1")
    bad = _tree(one, {"metrics.json": '{\n  "f1": 7\n}\n'})
    one.git("update-ref", REF, _commit(one, bad, tip(one)))
    assert "breaks the run's schema" in _refused(one, f"{REF}:{REF}")
    one.git("update-ref", REF, f"{REF}~1")
    guarded.push(one)
    assert guarded.runs() == [sound]


@pytest.mark.parametrize("name", ["update", "pre-receive"])
def test_without_ledger_the_server_still_keeps_chains_append_only(
    hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.install(name)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    one = hub.clone("one")
    hub.record(one)
    hub.push(one)
    hub.record(one)
    hub.push(one)
    assert "may not be deleted" in _refused(one, f":{REF}")
    assert "does not go on from what is here" in _refused(one, f"+{REF}~1:{REF}")
    assert "belongs to one clone only" in _refused(one, f"{REF}:refs/ledger/pins/origin/main")
    assert len(hub.runs()) == 2


def test_a_program_that_is_configured_and_absent_lets_nothing_in(hub: Hub) -> None:
    hub.install("update")
    hub.repo.git("config", "ledger.serverCheck", "/nowhere/ledger")
    one = hub.clone("one")
    hub.record(one)
    assert "/nowhere/ledger" in _refused(one, REF)


def test_objects_of_a_push_are_seen_only_where_git_says_that_they_are_apart(repo: Repo) -> None:
    from ledger.git.process import discover, quarantined

    here = discover(repo.path, {"PATH": "/usr/bin"})
    apart = {"GIT_OBJECT_DIRECTORY": "/a", "GIT_ALTERNATE_OBJECT_DIRECTORIES": "/b"}
    assert quarantined(here, apart) is here
    assert quarantined(here, {**apart, "GIT_QUARANTINE_PATH": "/other"}) is here
    seen = quarantined(here, {**apart, "GIT_QUARANTINE_PATH": "/a"})
    assert {key: seen.environ[key] for key in apart} == apart


def test_what_is_no_log_of_redactions_does_not_shut_the_others_out(hub: Hub) -> None:
    """It is read at every push: a server that can't read it lets nothing in any more."""
    hub.guard("update")
    one = hub.clone("one")
    log = "refs/ledger/redactions"
    head, tree = one.git("rev-parse", "HEAD"), one.git("rev-parse", "HEAD^{tree}")
    side = one.git("commit-tree", tree, "-m", "side")
    merged = one.git("commit-tree", tree, "-m", "merge", "-p", head, "-p", side)
    blob = one.git("rev-parse", "HEAD:train.py")
    for wrong in (merged, head, blob):
        assert "mend: " in _refused(one, f"{wrong}:{log}")
    run = hub.record(one, "-p", "token=hunter22")
    hub.push(one)
    hub.ledger("-C", str(one.path), "redact", run, "--path", "params.json:/token", "--reason", "leaked")
    hub.repo.git("config", "ledger.allowRedaction", "true")
    hub.push(one, "--redacted")
    assert hub.runs() == [run]
    assert tip(hub.repo, log) == tip(one, log)
    assert "mend: " in _refused(one, f"{one.git('commit-tree', tree, '-m', 'x', '-p', tip(one, log))}:{log}")


def test_what_is_no_log_of_links_does_not_end_the_sharing_of_links(hub: Hub) -> None:
    """Clones merge no log that holds one file which is no link, and nobody could take that away again."""
    hub.guard("update")
    one = hub.clone("one")
    log = "refs/ledger/links"
    run = hub.record(one)
    hub.push(one)
    for wrong in ("HEAD", REF):
        assert "mend: " in _refused(one, f"{wrong}:{log}")
    blob = one.git("rev-parse", "HEAD:train.py")
    for ref in (log, "refs/runs/odd"):
        assert "points to a blob, not to a commit" in _refused(one, f"{blob}:{ref}")
    hub.ledger("-C", str(one.path), "link", run, "HEAD")
    hub.push(one)
    assert tip(hub.repo, log) == tip(one, log)
    worse = one.git("commit-tree", "HEAD^{tree}", "-m", "x", "-p", tip(one, log))
    assert "is no file of a link" in _refused(one, f"{worse}:{log}")
