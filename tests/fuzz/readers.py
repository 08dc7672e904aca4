"""Everything that reads bytes which somebody else may have written, each as one function that takes such bytes.

What others push, leave in a shared folder or sign is in `fuzz.sent`.
"""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress
from pathlib import Path

from fuzz import seeds, sent
from fuzz.reader import Read, Reader, file

from ledger import canonical, config
from ledger.errors import LedgerError
from ledger.git import objects
from ledger.git.process import Repository
from ledger.record import fold
from ledger.record.files import PARSERS
from ledger.schema import document, expression, migration, units
from ledger.schema.definition import undeclared
from ledger.schema.fingerprint import Source
from ledger.schema.lineage import Lineage
from ledger.store import (
    cachefile,
    codec,
    history,
    journal,
    link_cache,
    link_log,
    links,
    lock,
    manifest,
    points,
    rows,
    sealed,
    segment,
)
from ledger.store.arrow_file import ArrowFile
from ledger.store.documents import WRONG, parsed
from ledger.store.patch_cache import Patches
from ledger.store.reading import _Layout
from ledger.store.unreadable import NAME as UNREADABLE
from ledger.store.unreadable import Unreadable
from ledger.store.verify import content
from ledger.trace import grammar, where
from ledger.trace.fingerprint_cache import Cache


def _repository(folder: Path) -> Repository:
    return Repository(git_dir=folder, common_dir=folder, work_tree=None, environ={"HOME": str(folder)})


def _parts(data: bytes) -> dict[str, bytes]:
    """One JSON object → the files of a run, canonical where JSON can hold them."""
    whole = parsed(data, codec.RUN)
    return {name: canonical.dumps(whole.get(name, {})) for name in codec.REQUIRED}


def _run(data: bytes, _folder: Path) -> None:
    codec.run(data, what="run.json")


def _record(data: bytes, _folder: Path) -> None:
    try:
        files = _parts(data)
    except (*WRONG, UnicodeError):
        return
    codec.record(files, what="a run")


def _indexed(data: bytes, folder: Path) -> None:
    """What the index takes is written and read back: a record that can't be would hide all others."""
    builder = segment.Builder()
    try:
        run, params, metrics = (parsed(one, name) for name, one in _parts(data).items())
        codec.check_version(run, what="")
        builder.add(
            ref="refs/runs/main",
            commit="1" * 40,
            run=run,
            params=params,
            metrics=metrics,
            schema=None,
            history=False,
        )
    except WRONG:
        return
    segment.write(builder, folder, "one")
    found = segment.Segment(folder, "one")
    found.open()
    assert len(found) == 1
    for name in segment.COLUMNS:
        found.column(name)
    for group in segment.GROUPS:
        for name in found.places[group]:
            found.value(group, name, 0)
    rows.row_of(run)


def _verified(data: bytes, _folder: Path) -> None:
    try:
        files = _parts(data)
    except (*WRONG, UnicodeError):
        return
    content.content(files)


def _schema(data: bytes, _folder: Path) -> None:
    with suppress(LedgerError):
        document.recorded(data)
    found = document.parse(data, name="main", what="main.json")
    said = document.validate(
        found, {"lr": 0.1, "model": "a"}, {"f1": 0.5, "loss": None}, origin=lambda *_: "run"
    )
    assert found.id
    assert all(str(fault) for fault in said)


def _migration(data: bytes, _folder: Path) -> None:
    found = migration.parse(data, what="m.json")
    lineage = Lineage.build(migrations=[found])
    assert lineage.faults is not None
    for did in found.defs:
        lineage.plan(None, found.definition(did))
        lineage.plan({"f1": undeclared("f1")}, found.definition(did))


def _expression(data: bytes, _folder: Path) -> None:
    found = expression.parse(data.decode("utf-8", "replace"), ("a", "b", "c"))
    for given in ({"a": 1.5, "b": 0.0, "c": -1e308}, {"a": float("nan"), "b": float("inf"), "c": 2**60}):
        found.evaluate(given)


def _units(data: bytes, _folder: Path) -> None:
    for one in units.load(data).values():
        units.is_known(one)


def _unit(data: bytes, _folder: Path) -> None:
    found = units.parse(data.decode("utf-8", "replace"))
    units.conversion(found, found)


def _where(data: bytes, _folder: Path) -> None:
    table = seeds.table()
    found = where.resolved(grammar.parse(data.decode("utf-8", "replace")), table.column_names)
    where.select(found, table)


def _history(data: bytes, _folder: Path) -> None:
    table = history.decode({"history.parquet": data})
    history.last_values(history.latest(table))


def _series(ending: str) -> Read:
    def read(data: bytes, folder: Path) -> None:
        history.encode(history.read(file(data, folder, f"series{ending}")))

    return read


def _sealed_file(data: bytes, folder: Path) -> None:
    path = file(data, folder, "one.zip")
    with suppress(LedgerError):
        sealed.contents(path)
    sealed.read(path)


def _sealed_manifest(data: bytes, folder: Path) -> None:
    _sealed_file(seeds.zipped(data), folder)


def _journal(data: bytes, folder: Path) -> None:
    path = file(data, folder, f"{'a' * 32}.{'b' * 32}.journal")
    with suppress(LedgerError):
        journal.head(path)
    list(journal.blocks(data))
    fold.progress([path])
    fold.fold(path)


def _journal_note(data: bytes, folder: Path) -> None:
    _journal(b"".join((seeds.head(), journal.frame(data[:1] or b"N", data[1:]))), folder)


def _points(data: bytes, _folder: Path) -> None:
    found: dict[points.Key, points.Series] = {}
    points.gather(memoryview(data), found)
    for one in found.values():
        assert len(one.steps) == len(one.times) == len(one.values)


def _arrow(data: bytes, folder: Path) -> None:
    found = ArrowFile(file(data, folder, "one.rows.arrow"))
    if len(found):
        found.numbers("experiment", "i")
        found.texts("experiment")
        found.has_any("record", 0, 1)


def _link(data: bytes, _folder: Path) -> None:
    links.gathered([links.decode(f"{hashlib.sha256(data).hexdigest()[:32]}.json", data)])


def _noted(data: bytes, folder: Path) -> None:
    file(data, folder, "ledger/rewritten/1.pairs")
    assert list(link_log._noted(_repository(folder))) is not None


def _tree(data: bytes, _folder: Path) -> None:
    for form in ("sha1", "sha256"):
        assert _Layout(form).entries(data) is not None
    entries = objects.parse_tree(data, "sha1")
    assert (codec.check_tree(entries) is None) == (not content.tree(entries))


def _config(data: bytes, folder: Path) -> None:
    file(data, folder, ".ledger/config.toml")
    config.build(config.read_file(folder), {}, {})


def _given(syntax: str) -> Read:
    def read(data: bytes, _folder: Path) -> None:
        PARSERS[syntax](data, "given")

    return read


def _index_manifest(data: bytes, folder: Path) -> None:
    file(data, folder, manifest.NAME)
    found = manifest.read(folder)
    assert all(isinstance(tip, str) for pair in found.tips.items() for tip in pair)
    for stem in found.segments:
        assert manifest.path_of(folder, stem, "rows").parent == folder


def _link_cache(data: bytes, folder: Path) -> None:
    cachefile.keep(link_cache._path(folder), link_cache._key("1" * 40), data)
    found = link_cache.load(folder, "1" * 40)
    if found is not None:
        links.gathered(link_log._events(found))


def _patch_cache(data: bytes, folder: Path) -> None:
    patches = Patches(_repository(folder))
    cachefile.keep(patches._path, "1", data)
    assert all(isinstance(one, str) for one in patches._known.values())


def _fingerprints(data: bytes, folder: Path) -> None:
    source = Source(path="eval.py", name="f1")
    path = Cache.load(folder, source).path
    file(data, path.parent, path.name)
    for one in Cache.load(folder, source).found.values():
        hash(str(one))


def _unreadable(data: bytes, folder: Path) -> None:
    file(data, folder, UNREADABLE)
    path = file(b"PK", folder, "torn.zip")
    with suppress(LedgerError):  # it is no sealed file, whatever the note says
        Unreadable(folder).read(path)


def _lock(data: bytes, folder: Path) -> None:
    path = file(data, folder, "lock")
    lock.holder(path)
    with lock.acquire(path, wait_seconds=0) as held:
        assert held is not None


_DAMAGE = (OSError, ValueError, KeyError)

READERS: dict[str, Reader] = {
    **sent.READERS,
    "run": Reader(read=_run, seeds=seeds.runs),
    "record": Reader(read=_record, seeds=seeds.records),
    "indexed": Reader(read=_indexed, seeds=seeds.records),
    "verified": Reader(read=_verified, seeds=seeds.records),
    "events": Reader(read=lambda data, _: list(content.events(data)), seeds=seeds.events),
    "schema": Reader(read=_schema, seeds=seeds.schemas),
    "migration": Reader(read=_migration, seeds=seeds.migrations),
    "expression": Reader(read=_expression, seeds=seeds.expressions),
    "units": Reader(read=_units, seeds=seeds.units_files),
    "unit": Reader(read=_unit, seeds=seeds.unit_codes),
    "where": Reader(read=_where, seeds=seeds.filters),
    "history": Reader(read=_history, seeds=seeds.histories),
    "series-jsonl": Reader(read=_series(".jsonl"), seeds=seeds.jsonl),
    "series-json": Reader(read=_series(".json"), seeds=seeds.json_series),
    "series-csv": Reader(read=_series(".csv"), seeds=seeds.csv_series),
    "sealed": Reader(read=_sealed_file, seeds=seeds.sealed),
    "sealed-manifest": Reader(read=_sealed_manifest, seeds=seeds.sealed_manifests),
    "journal": Reader(read=_journal, seeds=seeds.journals),
    "journal-note": Reader(read=_journal_note, seeds=seeds.notes),
    "points": Reader(
        read=_points,
        seeds=seeds.point_blocks,
        allowed=(ValueError, LookupError, TypeError, ArithmeticError, RecursionError, struct.error),
    ),
    "arrow": Reader(read=_arrow, seeds=seeds.arrow_files, allowed=_DAMAGE),
    "link": Reader(read=_link, seeds=seeds.link_events),
    "noted-pairs": Reader(read=_noted, seeds=seeds.noted_pairs),
    "tree": Reader(read=_tree, seeds=seeds.trees),
    "config": Reader(read=_config, seeds=seeds.configs),
    "given-json": Reader(read=_given("json"), seeds=seeds.given_json),
    "given-yaml": Reader(read=_given("yaml"), seeds=seeds.given_yaml),
    "given-toml": Reader(read=_given("toml"), seeds=seeds.given_toml),
    "given-csv": Reader(read=_given("csv"), seeds=seeds.given_csv),
    "index-manifest": Reader(read=_index_manifest, seeds=seeds.index_manifests),
    "link-cache": Reader(read=_link_cache, seeds=seeds.link_caches),
    "patch-cache": Reader(read=_patch_cache, seeds=seeds.patch_caches),
    "fingerprints": Reader(read=_fingerprints, seeds=seeds.fingerprints),
    "unreadable": Reader(read=_unreadable, seeds=seeds.unreadable),
    "lock": Reader(read=_lock, seeds=seeds.lock_notes),
}
