"""Readers of what others send: pushed commits, logs of redactions, sealed files of a fleet, signatures, series."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from fuzz import seeds
from fuzz.reader import Reader, file

from ledger import canonical
from ledger.errors import LedgerError
from ledger.git import refs, signing
from ledger.git.objects import GitObject
from ledger.git.process import Repository, initialised
from ledger.git.refs import RefUpdate
from ledger.model import Author, utc_time
from ledger.record import refused
from ledger.record.draft import Draft
from ledger.schema import packed
from ledger.share import check, inbox, intake, integrity, purge, redactions, reparent, server
from ledger.store import history, migration_cache, redacted, sealed, stored_zip
from ledger.store import index as store_index
from ledger.store.sealed import Sealed
from ledger.store.slug import INBOX, RUNS
from ledger.store.verify import verify
from ledger.store.verify.chains import parsed
from ledger.store.verify.records import agreement
from ledger.trace.attachment import CodeKey
from ledger.trace.guess_cache import Guesses

_ZEROS = "0" * 40
_MESSAGE = """main: f1 0.5 (failed)

Ledger-Run: {run}
Ledger-Record: {record}
Ledger-Code: {code} dirty
Ledger-Schema: main 3
"""


def _home(folder: Path) -> Repository:
    """A bare repository in the folder: the same one for every input."""
    path = folder / "hub.git"
    path.mkdir(exist_ok=True)
    environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_NOSYSTEM": "1"}
    return initialised(path, environ)


def _written(repository: Repository, kind: str, body: bytes) -> str:
    words = ("hash-object", "-w", "--literally", "-t", kind, "--stdin")
    return repository.git(*words, stdin=body).decode().strip()


def _text(value: object) -> bytes:
    """A text as it is, everything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def pushes() -> list[bytes]:
    """A commit as JSON: its message, and the files of its tree."""
    run = {**json.loads(seeds.records()[0])["run.json"], "experiment": "main"}
    message = _MESSAGE.format(run=run["id"], record=run["record"], code=run["code"]["commit"])
    files = {"params.json": {"lr": 0.1}, "metrics.json": {"f1": 0.5}, "schema.json": {}, "run.json": run}
    return [json.dumps({"message": message, "files": files}).encode()]


def _pushed(data: bytes, folder: Path) -> None:
    """As the hooks of a server, a fetch, the index and `ledger verify` read it."""
    try:
        told = json.loads(data)
        files, message = dict(told["files"]), _text(told["message"])
    except (ValueError, TypeError, LookupError, RecursionError, AttributeError):
        return
    repository = _home(folder)
    entries = sorted((_text(name).replace(b"\0", b""), _body(value)) for name, value in files.items())
    tree = b"".join(
        b"100644 %s\0%s" % (name, bytes.fromhex(_written(repository, "blob", body))) for name, body in entries
    )
    head = f"tree {_written(repository, 'tree', tree)}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\n"
    commit = _written(repository, "commit", head.encode() + message)
    box = f"{INBOX}{'a' * 16}.main"
    server.check(repository, [server.command(ref, _ZEROS, commit, _ZEROS) for ref in (f"{RUNS}main", box)])
    check.check(repository, [check.Claim(ref=box, tip=commit, slug="main")], told=lambda _: None)
    there = refs.ids(repository, RUNS, INBOX)
    refs.update(
        repository,
        [RefUpdate(ref=ref, new=commit, old=there.get(ref)) for ref in (f"{RUNS}main", box)],
        reason="fuzz",
    )
    verify(repository)
    list(integrity.faults(repository))
    assert len(store_index.load(repository)) <= 1


def _body(value: object) -> bytes:
    """Canonical where it can be, so that changes of values are not all refused for their form."""
    with suppress(Exception):
        return canonical.dumps(value)
    return _text(value)


def _lines(data: bytes, folder: Path) -> None:
    """What git writes to a pre-receive hook."""
    commands = server.parse(data.decode("utf-8", "surrogateescape").splitlines(keepends=True), _ZEROS)
    for one in commands:
        inbox.parse(one.ref)
    del folder


def lines() -> list[bytes]:
    refs_told = (f"{RUNS}main", f"{INBOX}{'a' * 16}.main", "refs/ledger/links", "refs/heads/main")
    return ["".join(f"{_ZEROS} {'1' * 40} {ref}\n" for ref in refs_told).encode()]


def commits() -> list[bytes]:
    told = json.loads(pushes()[0])
    head = f"tree {'1' * 40}\nparent {'2' * 40}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
    signed = "gpgsig -----BEGIN SSH SIGNATURE-----\n abc\n -----END SSH SIGNATURE-----\n"
    return [f"{head}\n{told['message']}".encode(), f"{head}{signed}\n{told['message']}".encode()]


def _commit(data: bytes, _folder: Path) -> None:
    found = parsed(f"{RUNS}main", "3" * 40, data)
    run = json.loads(seeds.records()[0])["run.json"]
    list(agreement(found, run))
    again = parsed("", "", reparent._on(data, "4" * 40))
    assert again.parents[:1] == ("4" * 40,)
    assert redacted.message_without(data, "f1", redacted.place("run.json:/reason"), redacted.mark("a" * 32))


def entries() -> list[bytes]:
    told: dict[str, Any] = {
        "format": 1, "id": "a" * 32, "slug": "main", "run": "b" * 32, "reason": "leaked", "at": "2026-11-21T02:57:05.000001Z",
        "path": "params.json:/opt/betas/1", "by": {"name": "Ada", "email": "ada@example.com"}, "old": "1" * 40, "new": "2" * 40,
        "banned": ["3" * 40],
    }  # fmt: skip
    paths = (
        "run.json:/environment/host",
        "run.json:/tags/a~1b",
        "run.json:/artifacts/0/uri",
        "events.jsonl:",
    )
    return [canonical.dumps({**told, "path": path}) for path in (told["path"], *paths)]


def _redaction(data: bytes, _folder: Path) -> None:
    """An entry of the log, carried out on a run as every clone would."""
    entry = redactions._parsed(GitObject("1" * 40, "blob", data))
    assert redactions._document(entry)
    whole = json.loads(seeds.records()[0])
    files = {name: canonical.dumps(value) for name, value in whole.items()}
    data = files.get(entry.place.file, b"")
    done = redacted.without(data, entry.place, entry.mark)
    if done is not None:
        made, value = done
        assert made != data
        assert redacted.without(made, entry.place, entry.mark) is None, "once is enough"
        assert redacted.restored(made, entry.place, entry.mark, value) in (None, data)
        redacted.message_without(b"main: f1\n\nLedger-Run: x\n", value, entry.place, entry.mark)


def places() -> list[bytes]:
    return [
        b"params.json:/opt/betas/1",
        b"run.json:/note",
        b"events.jsonl:",
        b"events.jsonl:/0/message",
        b"params.json:/a~1b~0",
    ]


def _place(data: bytes, _folder: Path) -> None:
    found = redacted.place(data.decode("utf-8", "replace"))
    assert redacted.place(str(found)) == found
    for one in seeds.records():
        redacted.without(one, found, redacted.mark("a" * 32))


def _item(slug: str) -> Sealed:
    told = json.loads(pushes()[0])
    run = told["files"]["run.json"]
    return Sealed(
        record=run["record"],
        run=run["id"],
        slug=slug,
        author=Author(**run["author"]),
        seconds=int(utc_time(run["recorded"]).timestamp()),
        message=told["message"],
        code=(run["code"]["commit"],),
        files={name: canonical.dumps(value) for name, value in told["files"].items()},
    )


def bundles() -> list[bytes]:
    """Sealed files of a fleet."""
    return [sealed.packed([_item("main")])]


def refusals() -> list[bytes]:
    """Those of refused runs."""
    return [sealed.packed([_item("")])]


def manifests() -> list[bytes]:
    return [stored_zip.read(one)["manifest.json"] for one in (*bundles(), *refusals())]


def _with_manifest(data: bytes) -> bytes:
    return stored_zip.written({**stored_zip.read(bundles()[0]), "manifest.json": data})


def _bundle(data: bytes, _folder: Path) -> None:
    """As `ledger ingest` judges it."""
    for item in sealed.read_bytes(data, what="one.zip"):
        list(intake.faults(item))


def _refused(data: bytes, folder: Path) -> None:
    refused.corrected(file(data, folder, "one.zip"), Draft())


def _manifest(data: bytes, folder: Path) -> None:
    whole = _with_manifest(data)
    with suppress(LedgerError):
        _bundle(whole, folder)
    with suppress(LedgerError):
        _refused(whole, folder)


def _refused_run(data: bytes, _folder: Path) -> None:
    refused._run(data, "run.json")


def signatures() -> list[bytes]:
    return [b"U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg", b""]


def _signature(data: bytes, _folder: Path) -> None:
    text = data.decode("utf-8", "replace")
    assert isinstance(signing._public_key(text), bytes)
    signing._unarmoured(text)


@cache
def tables() -> list[bytes]:
    """Series of the user's as Parquet: wide and long."""
    import io

    import pyarrow.parquet as pq

    found = []
    for columns in (
        {"step": [1, 2], "loss": [0.5, None], "f1": pa.array([1, 2], pa.int8())},
        {"metric": ["loss", "f1"], "step": [1, 1], "value": [0.5, 0.25], "context": ["a", None]},
    ):
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        found.append(sink.getvalue())
    return found


def _series(data: bytes, folder: Path) -> None:
    history.encode(history.read(file(data, folder, "series.parquet")))


def stamps() -> list[bytes]:
    return [json.dumps({"main": ["a" * 32]}).encode()]


def _stamp(data: bytes, folder: Path) -> None:
    found = purge._Stamp(file(data, folder, "purged.json")).done
    assert all(isinstance(one, list) for one in found.values())


@cache
def packs() -> list[bytes]:
    """Migrations as their cache holds them."""
    from ledger.schema import migration

    files = {f"{number}.json": data for number, data in enumerate(seeds.migrations())}
    loaded = migration.load(files, custom_units={})
    return [packed.pack({one.file: one for one in loaded.migrations})]


def _pack(data: bytes, _folder: Path) -> None:
    assert migration_cache._older(data) is not None


def guesses() -> list[bytes]:
    return [json.dumps([["1" * 40, "patch", 1], None]).encode()]


def _guesses(data: bytes, folder: Path) -> None:
    from ledger.store import cachefile

    path = folder / "cache" / "guesses.json"
    cachefile.keep(path, "q", data)
    keys = [CodeKey(commit=str(number) * 40, tree=None) for number in range(2)]
    Guesses(path=path, question="q", keys=keys).load()


READERS: dict[str, Reader] = {
    "pushed": Reader(read=_pushed, seeds=pushes),
    "hook-lines": Reader(read=_lines, seeds=lines, allowed=(ValueError,)),
    "commit": Reader(read=_commit, seeds=commits),
    "redaction": Reader(read=_redaction, seeds=entries),
    "place": Reader(read=_place, seeds=places),
    "bundle": Reader(read=_bundle, seeds=bundles),
    "bundle-manifest": Reader(read=_manifest, seeds=manifests),
    "refused": Reader(read=_refused, seeds=refusals),
    "refused-run": Reader(read=_refused_run, seeds=seeds.runs),
    "signature": Reader(read=_signature, seeds=signatures),
    "series-parquet": Reader(read=_series, seeds=tables),
    "purged": Reader(read=_stamp, seeds=stamps),
    "migration-cache": Reader(read=_pack, seeds=packs),
    "guesses": Reader(read=_guesses, seeds=guesses),
}
