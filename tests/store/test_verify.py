"""Every kind of damage is named with its ref, commit and path, and hides nothing else."""

from __future__ import annotations

import json

import pytest
from conftest import Repo
from store.plumbing import (
    REF,
    blob,
    change,
    entries_of,
    files_of,
    object_file,
    put,
    recorded,
    run_json,
    told,
    tree,
    verified,
    workspace,
)

from ledger import canonical
from ledger.errors import FormatError
from ledger.schema import starters
from ledger.store import history
from ledger.store import index as store_index
from ledger.store.load import Place, record_at
from ledger.store.verify import content as check


def test_a_sound_repository_has_no_faults(repo: Repo) -> None:
    repo.write(".ledger/schemas/main.json", starters.load("classification").decode())
    repo.commit("schema")
    series = history.encode(history.from_values({"loss": [1.0, 0.5, float("nan")]}))
    recorded(repo, metrics={"accuracy": 0.5, "extra": float("inf")}, history=series, tags={"a": "b"})
    repo.write("train.py", "changed\n")
    recorded(repo, metrics={"accuracy": None}, experiment="exp/lr", events=b'{"level":"info"}\n')
    recorded(repo, params={"o": {"a": [1, "x"], "b": {}}, "s": "é"}, note="n", experiment="LR")
    report = verified(repo)
    assert told(report) == []
    assert report.notes == ()
    assert (report.experiments, report.runs, report.records) == (3, 3, 3)


def test_an_empty_repository(repo: Repo) -> None:
    report = verified(repo)
    assert (report.experiments, report.runs, report.records, report.faults) == (0, 0, 0, ())


def test_progress_is_told_up_to_the_total(repo: Repo) -> None:
    from ledger.store.verify import verify

    recorded(repo)
    recorded(repo, experiment="b")
    heard: list[tuple[int, int]] = []
    verify(workspace(repo).repository, told=lambda done, total: heard.append((done, total)))
    assert heard == [(2, 2)]


def test_a_fault_names_ref_commit_and_path(repo: Repo) -> None:
    recorded(repo)
    commit = change(repo, {"metrics.json": b"{}"})
    (fault,) = verified(repo).faults
    assert (fault.ref, fault.commit, fault.path) == (REF, commit, "metrics.json")


# Refs -------------------------------------------------------------------------------------------------------------


def test_a_ref_that_is_not_a_commit(repo: Repo) -> None:
    recorded(repo)
    repo.git("update-ref", "refs/runs/blob", blob(repo, b"x"))
    (fault,) = verified(repo).faults
    assert (fault.ref, fault.what) == ("refs/runs/blob", "not a chain of runs: a blob")


def test_a_symbolic_ref(repo: Repo) -> None:
    recorded(repo)
    repo.git("symbolic-ref", "refs/runs/other", REF)
    report = verified(repo)
    assert [(one.ref, REF in one.what) for one in report.faults] == [("refs/runs/other", True)]
    assert report.records == 1


def test_foreign_commits_are_each_named_and_hide_no_run(repo: Repo) -> None:
    recorded(repo)
    repo.git("update-ref", "refs/runs/code", "HEAD")
    report = verified(repo)
    assert {one.ref for one in report.faults} == {"refs/runs/code"}
    assert "train.py: not a file of a run" in told(report)
    assert "run.json: is missing" in told(report)
    assert report.records == 1


def test_a_chain_on_the_ref_of_another_experiment(repo: Repo) -> None:
    recorded(repo)
    repo.git("update-ref", "refs/runs/elsewhere", REF)
    repo.git("update-ref", "-d", REF)
    (fault,) = verified(repo).faults
    assert (fault.ref, fault.path) == ("refs/runs/elsewhere", "run.json")
    assert "'main' belongs on refs/runs/main" in fault.what


def test_an_inbox_may_hold_any_experiment(repo: Repo) -> None:
    recorded(repo)
    repo.git("update-ref", "refs/ledger/inbox/ci-1", REF)
    repo.git("update-ref", "-d", REF)
    report = verified(repo)
    assert told(report) == []
    assert report.records == 1


# Commits ----------------------------------------------------------------------------------------------------------


def test_a_merge_commit_in_a_chain(repo: Repo) -> None:
    recorded(repo)
    first = repo.git("rev-parse", REF)
    recorded(repo)
    put(repo, f"{REF}^{{tree}}", parents=[first, repo.git("rev-parse", "HEAD")])
    report = verified(repo)
    assert [one.what[:9] for one in report.faults] == ["2 parents"]
    assert report.records == 2


def test_trailers_that_say_something_else(repo: Repo) -> None:
    recorded(repo)
    message = repo.git("show", "-s", "--format=%B", REF)
    run = json.loads(files_of(repo)["run.json"])["id"]
    change(repo, {}, message=message.replace(run, "0" * 32) + "\n")
    (fault,) = verified(repo).faults
    assert fault.what.startswith(f"the trailer Ledger-Run says {'0' * 32}")


def test_trailers_that_are_absent(repo: Repo) -> None:
    recorded(repo)
    change(repo, {}, message="main: f1\n")
    found = verified(repo)
    assert sum("says nothing" in one.what for one in found.faults) == 3


@pytest.mark.parametrize("indexed", [True, False])
def test_a_commit_that_is_missing_ends_its_chain_only(repo: Repo, *, indexed: bool) -> None:
    for _ in range(3):
        recorded(repo)
    recorded(repo, experiment="other")
    middle = repo.git("rev-parse", f"{REF}~1")
    if indexed:
        store_index.load(workspace(repo).repository)
    object_file(repo, middle).unlink()
    report = verified(repo)
    lost = [one for one in report.faults if one.commit == middle]
    assert len(lost) == 1
    assert "missing" in lost[0].what
    assert "came before it" in lost[0].what
    assert report.experiments == 2


# Trees ------------------------------------------------------------------------------------------------------------


def test_entries_with_other_modes(repo: Repo) -> None:
    recorded(repo)
    modes = {"params.json": "120000", "run.json": "100755", "metrics.json": "160000"}
    put(repo, tree(repo, [(modes[name], name, oid) for _, name, oid in entries_of(repo, files_of(repo))]))
    assert sorted(told(verified(repo))) == [
        "metrics.json: a submodule, not a regular file",
        "params.json: a symlink, not a regular file",
        "run.json: executable, not a regular file",
    ]


def test_a_nested_entry_and_an_unknown_one(repo: Repo) -> None:
    recorded(repo)
    entries = entries_of(repo, files_of(repo))
    inner = tree(repo, entries[:1])
    put(repo, tree(repo, [*entries, ("040000", "inner", inner), ("100644", "model.pt", entries[0][2])]))
    assert sorted(told(verified(repo))) == ["inner: not a file of a run", "model.pt: not a file of a run"]


def test_a_file_that_is_absent_from_the_tree(repo: Repo) -> None:
    recorded(repo)
    change(repo, {"metrics.json": None})
    assert told(verified(repo)) == ["metrics.json: is missing"]


# Files ------------------------------------------------------------------------------------------------------------


def test_a_huge_blob_is_not_read(repo: Repo) -> None:
    recorded(repo)
    change(repo, {"run.json": b" " * (5 << 20)})
    (fault,) = verified(repo).faults
    assert (fault.path, fault.what) == ("run.json", "5,242,880 bytes, the limit is 4,194,304")


def test_a_blob_that_is_missing(repo: Repo) -> None:
    recorded(repo)
    recorded(repo, metrics={"f1": 0.123456})
    oid = repo.git("rev-parse", f"{REF}:metrics.json")
    object_file(repo, oid).unlink()
    report = verified(repo)
    assert told(report) == [
        f"metrics.json: its content {oid[:12]} is missing from the repository, or damaged"
    ]


@pytest.mark.parametrize("whole", [True, False])
def test_a_damaged_object(repo: Repo, *, whole: bool) -> None:
    """Garbage from its first byte, or a good start and a torn rest: git fails differently."""
    for number in range(4):
        recorded(repo, metrics={"f1": number / 7})
    oid = repo.git("rev-parse", f"{REF}~2:metrics.json")
    path = object_file(repo, oid)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"garbage" if whole else data[: len(data) // 2] + b"\0" * 8)
    report = verified(repo)
    damaged = repo.git("rev-parse", f"{REF}~2")
    assert {(one.commit, one.path) for one in report.faults} == {(damaged, "metrics.json")}
    assert report.records == 4


def test_an_object_of_another_kind(repo: Repo) -> None:
    recorded(repo)
    entries = entries_of(repo, files_of(repo))
    inner = tree(repo, entries[:1])
    swapped = [(mode, name, inner if name == "params.json" else oid) for mode, name, oid in entries]
    put(repo, tree(repo, swapped))
    assert told(verified(repo)) == ["params.json: a tree, not a file"]


def test_a_future_format(repo: Repo) -> None:
    recorded(repo)
    change(repo, {"run.json": run_json(repo, format=2)})
    assert told(verified(repo)) == ["run.json: format 2 is newer than this ledger reads (1) (upgrade ledger)"]


def test_of_a_future_format_only_the_version_is_told(repo: Repo) -> None:
    """Its files and rules are its own: what ours miss there is not wrong."""
    done = recorded(repo)
    changed: dict[str, bytes | None] = {
        "run.json": run_json(repo, format=2),
        "metrics.json": b"[]",
        "params.json": None,
    }
    change(repo, changed)
    newer = "format 2 is newer than this ledger reads (1)"
    assert told(verified(repo)) == [f"run.json: {newer} (upgrade ledger)"]
    here = workspace(repo).repository
    assert [fault.what.partition(": ")[2] for fault in store_index.load(here).faults] == [newer]
    with pytest.raises(FormatError, match="is newer") as caught:
        record_at(here, Place(record=done.record, commit=repo.git("rev-parse", REF), ref=REF))
    assert caught.value.hint == "upgrade ledger"


METRICS = [
    (b'{"f1": 0.9}', "not canonical"),
    (b'{\n  "accuracy": 0.9,\n  "accuracy": 0.8\n}\n', "twice"),
    (b'{\n  "f1": NaN\n}\n', "not JSON"),
    (b"[]\n", "not a JSON object"),
    (b'{\n  "f1": "good"\n}\n', "f1 is not a number"),
    (b'{\n  "f1": true\n}\n', "f1 is not a number"),
    (b"\xff\xfe", "not UTF-8"),
    (b"", "empty"),
    (b"{" * 100, "nested"),
    (b'{\n  "accuracy": 7.5\n}\n', "breaks the run's schema: $.metrics.accuracy = 7.5"),
]


def test_every_way_in_which_files_can_be_wrong(repo: Repo) -> None:
    """The files of one sound run, and one thing after the other that is wrong with them."""
    repo.write(".ledger/schemas/main.json", starters.load("classification").decode())
    recorded(repo, metrics={"accuracy": 0.9}, events=b'{"level":"info"}\n')
    sound = files_of(repo)
    run = json.loads(sound["run.json"])
    table: list[tuple[str, bytes | None, str]] = [
        *(("metrics.json", data, what) for data, what in METRICS),
        ("run.json", canonical.dumps({**run, "duration": -1}), "$.duration"),
        ("run.json", canonical.dumps({**run, "parent": "nobody"}), "$.parent"),
        ("run.json", canonical.dumps({**run, "format": "1"}), "no format version"),
        ("schema.json", canonical.dumps({"type": 7}), "not a schema"),
        ("schema.json", canonical.dumps({"x-ledger": {"format": 9}}), "newer"),
        ("schema.json", None, "is missing, and run.json names a schema"),
        ("events.jsonl", b'{"level":"info"}\nhello\n', "line 2"),
        ("events.jsonl", b"{}", "no end"),
        ("events.jsonl", b"[]\n", "not a JSON object"),
    ]
    assert check.content(sound).wrong == []
    for name, data, what in table:
        files = {key: value for key, value in {**sound, name: data}.items() if value is not None}
        wrong = check.content(files).wrong
        assert any(path == name and what in said for path, said in wrong), (name, data, wrong)


def test_a_schema_that_nobody_names(repo: Repo) -> None:
    recorded(repo)
    wrong = check.content({**files_of(repo), "schema.json": starters.load("ranking")}).wrong
    assert ("schema.json", "is there, and run.json names no schema") in wrong


def test_a_parquet_bomb_and_a_torn_history(repo: Repo) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    long_name = pa.array(["x" * 2_000_000]).dictionary_encode()
    names = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), long_name.dictionary)
    pq.write_table(
        pa.table({"metric": names, "value": [1.0] * 20_000}), sink, compression="zstd", store_schema=False
    )
    assert len(sink.getvalue()) < 100_000, "a few bytes that would decode to 40 GB"
    recorded(repo, history=history.encode(history.from_values({"loss": [1.0, 0.5]})))
    change(repo, {"history.parquet": sink.getvalue()})
    (bomb,) = verified(repo).faults
    assert bomb.path == "history.parquet"
    change(repo, {"history.parquet": b"PAR1 and nothing else"})
    (torn,) = verified(repo).faults
    assert torn.path == "history.parquet"


def test_history_parts_with_a_gap(repo: Repo) -> None:
    series = history.encode(history.from_values({"loss": [1.0, 0.5]}))["history.parquet"]
    recorded(repo, history={"history-0001.parquet": series})
    change(repo, {"history-0003.parquet": series})
    (fault,) = verified(repo).faults
    assert "history-0003.parquet" in fault.what
