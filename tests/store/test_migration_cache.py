"""Migrations that were read before: the same as read anew, whatever becomes of the file that keeps them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger import canonical
from ledger.schema import migration, packed, units
from ledger.schema.definition import Definition
from ledger.schema.lowered import Loaded
from ledger.store import cachefile, migration_cache


def _file(old: str, new: str, **more: Any) -> bytes:
    """A change of unit of one metric."""
    sides = [{"metrics": {"t": Definition(name="t", unit=unit)}} for unit in (old, new)]
    body = migration.draft(
        schema="s",
        summary="units",
        before=sides[0],
        after=sides[1],
        operations={"metrics": [{"op": "convert", "from": "t", "to": "t"}]},
    )
    return canonical.dumps({**body, **more})


FILES = {"a.json": _file("s", "ms"), "b.json": _file("ms", "us"), "c.json": _file("us", "ns")}


def _cached(folder: Path, files: dict[str, bytes], custom: Any = None) -> Loaded:
    return migration_cache.load(folder, files, custom_units=custom or {})


def _text(loaded: Loaded) -> str:
    """Also what no comparison looks at."""
    return "\n".join(f"{one!r} {one.defs!r}" for one in loaded.migrations)


def _kept(folder: Path) -> Path:
    return folder / "cache" / "migrations.json"


def _rewrite(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """Another text under the same key, with a sum that is right."""
    key = _kept(folder).read_bytes().partition(b"\n")[0].rpartition(b" ")[0].decode()
    body = cachefile.read(_kept(folder), key)
    assert body is not None
    cachefile.keep(_kept(folder), key, change(body))


def test_what_was_read_before_is_what_is_read_anew(tmp_path: Path) -> None:
    fresh = migration.load(FILES)
    for files in (FILES, FILES, {"c.json": FILES["c.json"]}, FILES):
        expected = migration.load(files)
        assert _text(_cached(tmp_path, files)) == _text(expected)
    assert [one.file for one in fresh.migrations] == ["a.json", "b.json", "c.json"]


def test_a_file_that_was_read_before_is_not_read_again(tmp_path: Path) -> None:
    _cached(tmp_path, FILES)
    _rewrite(tmp_path, lambda body: body.replace(b'"units"', b'"kept!"'))
    assert {one.summary for one in _cached(tmp_path, FILES).migrations} == {"kept!"}
    edited = {**FILES, "b.json": _file("ms", "us", summary="edited")}
    assert [one.summary for one in _cached(tmp_path, edited).migrations] == ["kept!", "edited", "kept!"]
    assert [one.summary for one in _cached(tmp_path, FILES).migrations] == ["kept!"] * 3


def test_the_same_bytes_under_another_name_are_that_file(tmp_path: Path) -> None:
    _cached(tmp_path, FILES)
    assert [one.file for one in _cached(tmp_path, {"z.json": FILES["a.json"]}).migrations] == ["z.json"]


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda _: b"[]",
        lambda _: b"\xff\xfe{",
        lambda _: b'{"defs":[],"links":[],"files":7}',
        lambda _: b"[" * 100_000,
        lambda body: body.replace(b'["d1:', b'[["d1:'),
        lambda body: body.replace(b'"iso"', b'"hyper"'),
        lambda body: body.replace(b"[1000,1]", b"[1000,0]"),
    ],
)
def test_a_text_that_is_none_is_written_anew(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    expected = _text(_cached(tmp_path, FILES))
    good = _kept(tmp_path).read_bytes()
    _rewrite(tmp_path, change)
    assert _kept(tmp_path).read_bytes() != good
    assert _text(_cached(tmp_path, FILES)) == expected
    assert _kept(tmp_path).read_bytes() == good


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_a_damaged_file_is_no_file(tmp_path: Path, cut: int) -> None:
    expected = _text(_cached(tmp_path, FILES))
    _kept(tmp_path).write_bytes(_kept(tmp_path).read_bytes()[:cut])
    assert _text(_cached(tmp_path, FILES)) == expected


def test_a_faulty_file_says_so_every_time_and_the_others_count(tmp_path: Path) -> None:
    files = {**FILES, "b.json": FILES["b.json"].replace(b"convert", b"rename"), "d.json": b"{"}
    expected = migration.load(files)
    assert len({fault.file for fault in expected.faults}) == 2
    for _ in range(2):
        found = _cached(tmp_path, files)
        assert found.faults == expected.faults
        assert _text(found) == _text(expected)


def test_another_unit_of_the_project_is_another_reading(tmp_path: Path) -> None:
    files = {"a.json": _file("[lap]", "m")}
    for scale in ("400", "200"):
        custom = units.project_units({"[lap]": {"unit": "m", "scale": scale}})
        draft = canonical.loads(files["a.json"], what="a")
        draft.pop("id", None)
        data = {"a.json": canonical.dumps(draft)}
        expected = migration.load(data, custom_units=custom)
        assert not expected.faults
        assert _text(_cached(tmp_path, data, custom)) == _text(expected)
    assert _cached(tmp_path, data).faults == migration.load(data).faults != ()


def test_a_folder_that_can_not_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert _text(_cached(tmp_path, FILES)) == _text(migration.load(FILES))


def test_what_is_kept_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration_cache, "_MOST", 4)
    for number in range(6):
        _cached(tmp_path, {"a.json": _file("s", "ms", summary=str(number))})
    digests = _digests(tmp_path)
    assert len(digests) == 4
    _cached(tmp_path, FILES)
    assert len(_digests(tmp_path)) == 4
    assert _text(_cached(tmp_path, FILES)) == _text(migration.load(FILES))


def _digests(folder: Path) -> Sequence[str]:
    return packed.Packed(_kept(folder).read_bytes().partition(b"\n")[2]).keys()
