"""What becomes of observations that the disk does not take."""

from __future__ import annotations

import os
import threading
from array import array
from pathlib import Path

from ledger.record.outlet import KEPT_BYTES, MAX_ITEMS, MAX_VALUES, Outlet
from ledger.record.signals import Watcher
from ledger.store import journal, points
from ledger.store.journal import HEAD, Name, Writer, json_frame
from ledger.store.points import ITEMS, Layout

_NAME = Name("a" * 32, "b" * 32)
_LOSS = Layout(("loss",))


def unwritable(folder: Path) -> Writer:
    """A journal that can't be written: every write fails as on a full disk."""
    Writer.create(folder, _NAME, [json_frame(HEAD, {"format": 1})]).close()
    path = folder / _NAME.file
    return Writer(path, os.open(path, os.O_RDONLY), path.stat().st_size)


def test_what_the_disk_does_not_take_is_kept_up_to_a_bound(tmp_path: Path) -> None:
    told = threading.Event()
    outlet = Outlet(unwritable(tmp_path), Watcher(), lambda _: told.set())
    count = 1_000_000
    block = points.encode_series(
        _LOSS, array("q", [1]) * count, array("q", [2]) * count, array("d", [0.5]) * count
    )
    for _ in range(4):
        outlet.add_series(block, count)
    outlet.calls.extend((_LOSS, 1, 2, [3.0]))
    assert told.wait(timeout=60)
    outlet.stop()
    outlet.spill()
    outlet.add_note({"op": "event", "message": "late"})
    assert outlet.dropped == count + 2, "the newest are dropped, and counted"
    kept = sum(map(len, outlet.unwritten()))
    assert KEPT_BYTES < kept == outlet.waiting_bytes < KEPT_BYTES + 25_000_000
    outlet.writer.close()


def test_what_was_kept_is_written_when_there_is_room(tmp_path: Path) -> None:
    outlet = Outlet(unwritable(tmp_path), Watcher(), lambda _: None)
    for step in range(3):
        outlet.calls.extend((_LOSS, step, 2, [0.5]))
    outlet.spill()
    outlet.stop()
    path = tmp_path / _NAME.file
    outlet.writer.close()
    outlet.writer = Writer(path, os.open(path, os.O_RDWR), path.stat().st_size)
    outlet.flush()
    outlet.writer.close()
    assert outlet.waiting_bytes == 0
    assert list(_read(path)["loss", None].steps) == [0, 1, 2]


def _read(path: Path) -> dict[points.Key, points.Series]:
    found: dict[points.Key, points.Series] = {}
    for block in journal.read(path):
        if block.kind == journal.POINTS:
            points.gather(block.payload, found)
    return found


def test_wide_calls_make_short_blocks(tmp_path: Path) -> None:
    outlet = Outlet(unwritable(tmp_path), Watcher(), lambda _: None)
    before = outlet.limit
    outlet.narrow(1000)
    assert outlet.limit * 1000 <= MAX_VALUES * ITEMS < before * 1000
    outlet.narrow(1)
    assert outlet.limit * 1000 <= MAX_VALUES * ITEMS
    outlet.stop()
    outlet.writer.close()


def test_a_wider_layout_that_comes_while_blocks_are_made_costs_no_point(tmp_path: Path) -> None:
    writer = Writer.create(tmp_path, _NAME, [json_frame(HEAD, {"format": 1})])
    outlet = Outlet(writer, Watcher(), lambda _: None)
    outlet.checked = lambda _: outlet.narrow(1000)
    count = 2 * MAX_ITEMS // ITEMS
    for step in range(count):
        outlet.calls.extend((_LOSS, step, 2, 0.5))
    outlet.stop()
    outlet.flush()
    writer.close()
    assert list(_read(tmp_path / _NAME.file)["loss", None].steps) == list(range(count))
