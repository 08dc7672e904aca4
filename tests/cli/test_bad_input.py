"""Every command on repositories and data that are not as they should be: a clear word, the right exit code,
nothing lost, no traceback, and one bad thing never hides the good ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import blob, entries_of, files_of, put, recorded, tree

REF = "refs/runs/bad"
READING = {
    "runs": ("runs",),
    "log": ("log", "--metric", "f1"),
    "status": ("status",),
    "export": ("export", "out"),
    "schema infer": ("schema", "infer"),
}
ON_A_RUN = {
    "show": ("show", "RUN"),
    "records": ("show", "RUN", "--records"),
    "history": ("show", "RUN", "--history"),
    "diff": ("diff", "RUN", "RUN"),
    "tag": ("tag", "RUN", "a=b"),
    "note": ("note", "RUN", "text"),
    "amend": ("amend", "RUN", "-m", "f1=1", "--reason", "why"),
}
EVERY = {
    **READING,
    **ON_A_RUN,
    "record": ("record", "-m", "f1=1"),
    "verify": ("verify",),
    "recover": ("recover",),
}


# Repositories that are none, or not yet ----------------------------------------------------------------------------


@pytest.mark.parametrize("words", EVERY.values(), ids=EVERY)
def test_outside_of_a_repository(ledger: Ledger, words: tuple[str, ...]) -> None:
    ledger(*(word.replace("RUN", "abcd1234") for word in words), code=1)
    assert ledger.err.startswith("error: not a git repository: ")
    assert "hint: run ledger inside one, or make one with `git init`" in ledger.err


@pytest.mark.parametrize("name", READING)
def test_before_the_first_commit_there_is_nothing_to_read(
    ledger: Ledger, make_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(make_repo("fresh").path)
    ledger(*READING[name], code=1 if name in ("log", "schema infer") else 0)
    ledger("verify")
    ledger("recover")


PREFIXES = {
    "ffff": (1, "no run ffff"),
    "abc": (2, "not a run id: 'abc'"),
    "--output=x": (2, "No such option '--output'"),
    "../x": (2, "not a run id"),
    "abcd": (1, "abcd names 2 runs"),
}


@pytest.mark.slow
def test_prefixes_that_name_no_run_or_two(repo: Repo, ledger: Ledger) -> None:
    for end in "12":
        recorded(repo, id="abcd" + end * 28)
    before = repo.git("for-each-ref")
    for words in ON_A_RUN.values():
        for prefix, (code, said) in PREFIXES.items():
            ledger(*(prefix if word == "RUN" else word for word in words), code=code)
            assert said in ledger.err
    assert repo.git("for-each-ref") == before
    assert not (repo.path / "x").exists()


# Refs that hold something else --------------------------------------------------------------------------------------


def _branch_commit(repo: Repo) -> None:
    repo.git("update-ref", REF, "HEAD")


def _blob(repo: Repo) -> None:
    repo.git("update-ref", REF, blob(repo, b"{}"))


def _tree(repo: Repo) -> None:
    repo.git("update-ref", REF, repo.git("rev-parse", "HEAD^{tree}"))


def _tag(repo: Repo) -> None:
    repo.git("tag", "-a", "-m", "a tag", "v1")
    repo.git("update-ref", REF, repo.git("rev-parse", "v1"))


def _symbolic(repo: Repo) -> None:
    repo.git("symbolic-ref", REF, "refs/heads/main")


FOREIGN = {made.__name__.strip("_"): made for made in (_branch_commit, _blob, _tree, _tag, _symbolic)}


@pytest.mark.slow
@pytest.mark.parametrize("damage", FOREIGN.values(), ids=FOREIGN)
def test_a_ref_that_holds_no_ledger(repo: Repo, ledger: Ledger, damage: Callable[[Repo], None]) -> None:
    good = recorded(repo).id
    damage(repo)
    before = repo.git("rev-parse", REF)

    assert [row["run_id"] for row in ledger.json("runs")] == [good]
    for words in (*READING.values(), ("show", good)):
        ledger(*words)
    waiting = ledger("record", "-q", "-m", "f1=0.5", "-e", "bad").strip()
    other = ledger("record", "-q", "-m", "f1=0.6", "-e", "main").strip()

    assert repo.git("rev-parse", REF) == before
    assert {row["run_id"] for row in ledger.json("runs")} == {good, waiting, other}
    assert "refs/runs/bad" in ledger("recover", code=1)
    assert any(fault["ref"] == REF for fault in _verified(ledger)["faults"])
    repo.git("update-ref", "--no-deref", "-d", REF)
    ledger("recover")
    assert {row["run_id"] for row in ledger.json("runs")} == {good, waiting, other}
    assert repo.git("rev-list", "--count", REF) == "1"
    assert repo.git("branch", "--show-current") == "main"


def _verified(ledger: Ledger) -> dict[str, list[dict[str, str]]]:
    from ledger.cli.main import run

    ledger._capsys.readouterr()
    code = run(["verify", "--json"])
    found: dict[str, list[dict[str, str]]] = json.loads(ledger._capsys.readouterr().out)
    assert code == (1 if found["faults"] else 0)
    return found


# Runs that are not as they should be ---------------------------------------------------------------------------------


Damage = Callable[[Repo, str], None]
"""Puts something else in place of the run at a ref."""


def _with(name: str, data: bytes) -> Damage:
    return lambda repo, ref: _put(
        repo, ref, [*_entries(repo, ref, without=name), ("100644", name, blob(repo, data))]
    )


def _mode(mode: str, name: str) -> Damage:
    def damage(repo: Repo, ref: str) -> None:
        targets = {"160000": "HEAD", "040000": "HEAD^{tree}"}
        oid = repo.git("rev-parse", targets[mode]) if mode in targets else blob(repo, b"/etc/passwd")
        _put(repo, ref, [*_entries(repo, ref, without=name), (mode, name, oid)])

    return damage


def _without(name: str) -> Damage:
    return lambda repo, ref: _put(repo, ref, _entries(repo, ref, without=name))


def _twice(repo: Repo, ref: str) -> None:
    _put(repo, ref, [*_entries(repo, ref), ("100644", "metrics.json", blob(repo, b'{"f1": 7}\n'))])


def _crowded(repo: Repo, ref: str) -> None:
    empty = blob(repo, b"")
    parts = [("100644", f"history-{number:05}.parquet", empty) for number in range(10_001)]
    _put(repo, ref, [*_entries(repo, ref), *parts])


def _future(repo: Repo, ref: str) -> None:
    document = json.loads(files_of(repo, ref)["run.json"])
    _with("run.json", json.dumps({**document, "format": 2}).encode())(repo, ref)


def _entries(repo: Repo, ref: str, *, without: str = "") -> list[tuple[str, str, str]]:
    files = files_of(repo, ref)
    return entries_of(repo, {name: data for name, data in files.items() if name != without})


def _put(repo: Repo, ref: str, entries: list[tuple[str, str, str]]) -> None:
    put(repo, tree(repo, entries), ref=ref)


DAMAGED: dict[str, tuple[Damage, str]] = {
    "an unknown file": (_with("train.py", b"1"), "train.py"),
    "a path out of the tree": (_with("../../x", b"1"), "../../x"),
    "a git folder": (_with(".git", b"1"), ".git"),
    "a nested folder": (_mode("040000", "more"), "more"),
    "a folder in place of a file": (_mode("040000", "params.json"), "params.json"),
    "a symbolic link": (_mode("120000", "params.json"), "params.json"),
    "a submodule": (_mode("160000", "params.json"), "params.json"),
    "an executable": (_mode("100755", "params.json"), "params.json"),
    "a file less": (_without("params.json"), "params.json"),
    "a file twice": (_twice, "twice"),
    "ten thousand files": (_crowded, "entries"),
    "a huge file": (_with("metrics.json", b'{"f1": 1' + b" " * (17 << 20) + b"}"), "metrics.json"),
    "an empty file": (_with("metrics.json", b""), "metrics.json"),
    "a list": (_with("metrics.json", b"[1]"), "metrics.json"),
    "half a file": (_with("metrics.json", b'{"f1": 0.'), "metrics.json"),
    "nested 1,000 deep": (_with("metrics.json", b'{"f1": ' + b"[" * 1000 + b"]" * 1000 + b"}"), "metrics.json"),
    "nested 100,000 deep": (_with("params.json", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "params.json"),
    "bytes that are no text": (_with("metrics.json", b'{"f\xff": 1}'), "metrics.json"),
    "a metric that is text": (_with("metrics.json", b'{"f1": "good"}'), "metrics.json"),
    "a metric that is a list": (_with("metrics.json", b'{"f1": [1]}'), "metrics.json"),
    "a number beyond doubles": (_with("metrics.json", b'{"f1": 1e400}'), "metrics.json"),
    "a key twice": (_with("metrics.json", b'{"f1": 1, "f1": 2}'), "metrics.json"),
    "a run without an id": (_with("run.json", b'{"format": 1}'), "run.json"),
    "a run with other types": (
        _with("run.json", b'{"format": 1, "id": 7, "record": [], "recorded": {}, "experiment": null}'),
        "run.json",
    ),
    "a later format": (_future, "newer"),
}  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        ["a nested folder", "a symbolic link", "a file less", "half a file", "a later format"],
        pytest.param(list(DAMAGED), marks=pytest.mark.long),
    ],
    ids=["some", "all"],
)
def test_damaged_runs_hide_no_other_and_drive_nothing(repo: Repo, ledger: Ledger, names: list[str]) -> None:
    damaged = {name: DAMAGED[name] for name in names}
    good = recorded(repo).id
    bad = {}
    for number, (damage, _) in enumerate(damaged.values()):
        bad[f"refs/runs/bad{number}"] = recorded(repo, experiment=f"bad{number}").id
        damage(repo, f"refs/runs/bad{number}")

    for words in (*READING.values(), ("show", good), ("diff", good, good)):
        ledger(*words)
    assert good in {row["run_id"] for row in ledger.json("runs")}
    from ledger.cli.main import run

    for run_id in bad.values():
        for words in (ON_A_RUN["show"], ON_A_RUN["amend"]):
            assert run([word.replace("RUN", run_id) for word in words]) in (0, 1), run_id
    faults = _verified(ledger)["faults"]
    for ref, (name, (_, named)) in zip(bad, damaged.items(), strict=True):
        told = [fault["path"] + fault["what"] for fault in faults if fault["ref"] == ref]
        assert any(named in text for text in told), (name, told)
    later = {recorded(repo, experiment=ref.removeprefix("refs/runs/")).id for ref in bad}
    assert later | {good} <= {row["run_id"] for row in ledger.json("runs")}
    assert not (repo.path.parent / "x").exists()


# Series that explode -------------------------------------------------------------------------------------------------


@pytest.fixture
def bomb() -> bytes:
    """A few thousand bytes of Parquet that decode to 2 GB: one text of 1 MB, 2,000 times."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    codes = pa.array([0] * 2000, pa.int32())
    names = pa.DictionaryArray.from_arrays(codes, pa.array(["x" * 1_000_000]))
    table = pa.table({"metric": names, "step": list(range(2000)), "value": [0.0] * 2000})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=False, dictionary_pagesize_limit=1 << 30)
    return sink.getvalue()


def test_a_parquet_file_that_decodes_to_gigabytes_is_not_taken(
    repo: Repo, ledger: Ledger, bomb: bytes
) -> None:
    assert len(bomb) < 8192
    (repo.path / "h.parquet").write_bytes(bomb)
    before = _peak()
    ledger("record", "-m", "f1=1", "--history", "h.parquet", code=1)
    assert "h.parquet" in ledger.err
    assert _peak() - before < 300 << 20
    assert repo.git("for-each-ref", "refs/runs") == ""


@pytest.mark.slow
def test_a_recorded_history_that_decodes_to_gigabytes_is_not_decoded(
    repo: Repo, ledger: Ledger, bomb: bytes
) -> None:
    good = recorded(repo).id
    bad = recorded(repo, experiment="bad").id
    _with("history.parquet", bomb)(repo, REF)
    before = _peak()
    ledger("show", bad, "--history", code=1)
    assert "history.parquet" in ledger.err
    for words in (*READING.values(), ("show", bad), ("show", good)):
        ledger(*words)
    assert any("history" in fault["path"] + fault["what"] for fault in _verified(ledger)["faults"])
    assert _peak() - before < 300 << 20


def _peak() -> int:
    """Most memory that this process ever had, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


# Schemas and settings that are none ----------------------------------------------------------------------------------


_GOES_ON = ("runs", "log", "status", "export")
"""What a schema that is none does not stop; a setting that is none stops everything."""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".ledger/schemas/main.json", "["),
        (".ledger/schemas/main.json", '{"type": 7}'),
        (".ledger/schemas/main.json", "[" * 100_000),
        (".ledger/config.toml", "[ledger"),
        (".ledger/config.toml", "[ledger]\nformat = 99\n"),
        (".ledger/config.toml", '[log]\nmetrics = "f1"\n'),
    ],
)
def test_a_schema_or_a_setting_that_is_none_is_named(
    repo: Repo, ledger: Ledger, name: str, text: str
) -> None:
    recorded(repo)
    repo.write(name, text)
    for words in (*READING.values(), ("record", "-m", "f1=1")):
        goes_on = "schemas" in name and words[0] in _GOES_ON
        out = ledger(*words, code=0 if goes_on else 1)
        assert Path(name).name in out + ledger.err, words
    assert repo.git("rev-list", "--count", "refs/runs/main") == "1"


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_settings_that_are_no_file_are_not_taken_for_none(repo: Repo, ledger: Ledger, kind: str) -> None:
    recorded(repo)
    path = repo.path / ".ledger/config.toml"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.mkdir() if kind == "folder" else path.symlink_to("nowhere")
    for words in (("log", "-m", "f1"), ("record", "-m", "f1=1")):
        ledger(*words, code=1)
        assert f"{path}: {'Is a directory' if kind == 'folder' else 'No such file'}" in ledger.err
    assert repo.git("rev-list", "--count", "refs/runs/main") == "1"


def test_names_that_a_shell_a_terminal_or_git_would_take_for_something_else(
    repo: Repo, ledger: Ledger
) -> None:
    name = "\x1b[31m$(touch x);`touch x`|--upload-pack=x\u202e"
    ledger("record", "-m", f"{name}=1", "-p", f"{name}=1", code=2)
    assert "\x1b" not in ledger.err
    ledger(
        "record", "-m", "f1=1", "--note", name, "--name", name, "--tag", "t=$(touch x)", "-e", "$(touch x)"
    )
    for words in (*READING.values(), ("show", ledger.json("runs")[0]["run_id"])):
        assert "\x1b" not in ledger(*words)
    assert not (repo.path / "x").exists()
    assert _verified(ledger)["faults"] == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("words", EVERY.values(), ids=EVERY)
def test_a_foreign_owned_repository_is_gits_to_refuse(
    repo: Repo, ledger: Ledger, words: tuple[str, ...]
) -> None:
    for path in (repo.path, repo.path / ".git"):
        os.chown(path, 65534, 65534)
    ledger(*(word.replace("RUN", "abcd1234") for word in words), code=1)
    assert "dubious ownership" in ledger.err
    assert "safe.directory" in ledger.err
    assert not (repo.path / ".git/ledger").exists()
