"""From the training loop to the journal: a buffer, and a thread that empties it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from ledger.record.signals import Watcher
from ledger.store import points
from ledger.store.journal import NOTE, POINTS, Writer, frame, json_frame
from ledger.store.points import ITEMS, Calls

TICK_SECONDS = 0.5
MAX_ITEMS = 8192 * ITEMS
"""Of the buffer, in one block."""
MAX_VALUES = 65_536
"""In one block."""
MAX_EVENTS = 10_000
"""Until they are taken along; more are counted."""
WAKE_BYTES = 4 << 20
CROWDED_BYTES = 12 << 20
"""What waits beyond this is written by whoever brings more."""
KEPT_BYTES = 64 << 20
"""Kept in memory while the disk takes nothing."""
SYNC_SECONDS = 10.0
TOUCH_SECONDS = 60.0


class Outlet:
    """What one process has logged and not yet written.

    `calls` is appended to without a lock; all else happens under the watcher's guard, and writing under a lock of
    its own, so that whoever logs never waits for the disk.
    """

    def __init__(self, writer: Writer, watcher: Watcher, failed: Callable[[OSError], None]) -> None:
        self.calls: list[Any] = []
        """The items of one call after another (`Calls.of`). A tuple a call would be for the garbage collector to count
        and to look at, which costs as much as all the rest of logging."""
        self.events: list[dict[str, object]] = []
        """The same for what happened."""
        self.limit = MAX_ITEMS
        """Items after which `spill` is due."""
        self.dropped = 0
        """Values that neither the disk nor memory took."""
        self.writer = writer
        self._watcher = watcher
        self._failed = failed
        self._waiting: list[bytes] = []
        self._added = self._taken = 0
        """Bytes of all blocks ever made (under the guard), and written (under the lock of writing)."""
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._unsynced = False
        self._synced = self._touched = time.monotonic()
        self.checked: Callable[[Calls], None] | None = None
        """Sees every batch before it is encoded."""
        self._thread = threading.Thread(target=self._run, name="ledger-journal", daemon=True)
        self._thread.start()

    def narrow(self, width: int) -> None:
        """A layout of so many metrics is in use."""
        self.limit = min(self.limit, max(16, MAX_VALUES // max(width, 1)) * ITEMS)

    def spill(self) -> None:
        """Make blocks of what was logged."""
        with self._watcher.guard:
            events = self.events[:]
            del self.events[: len(events)]
            for event in events:
                self._wait(json_frame(NOTE, event))
            batch = self.calls[:]
            del self.calls[
                : len(batch)
            ]  # at once: what looks at a batch may log an event, and come back here
            limit = self.limit  # others may narrow it meanwhile
            for start in range(0, len(batch), limit):
                self._add(Calls.of(batch[start : start + limit]))
        self._relieve()

    def _add(self, batch: Calls) -> None:
        if self.checked is not None:
            self.checked(batch)
        if self.waiting_bytes > KEPT_BYTES:
            self.dropped += sum(len(layout.metrics) for layout in batch.layouts)
            return
        self._wait(frame(POINTS, *points.encode(batch)))

    def _wait(self, block: bytes) -> None:
        self._waiting.append(block)
        self._added += len(block)

    def add_series(self, pieces: Iterable[bytes], count: int) -> None:
        """A block of points that are columns already, behind all that was logged before."""
        with self._watcher.guard:
            self.spill()
            if self.waiting_bytes > KEPT_BYTES:
                self.dropped += count
            else:
                self._wait(frame(POINTS, *pieces))
        self._relieve()

    def add_note(self, document: dict[str, object]) -> None:
        if self.waiting_bytes > KEPT_BYTES:
            self.dropped += 1
        else:
            self.add_block(json_frame(NOTE, document))

    def add_event(self, document: dict[str, object]) -> None:
        """Waits for nothing, not for a lock either: the next spill takes it along."""
        if len(self.events) < MAX_EVENTS and self.waiting_bytes <= KEPT_BYTES:
            self.events.append(document)
        else:
            self.dropped += 1

    def add_block(self, block: bytes) -> None:
        """Behind all that was logged before."""
        with self._watcher.guard:
            self.spill()
            self._wait(block)

    @property
    def waiting_bytes(self) -> int:
        return self._added - self._taken

    def _relieve(self) -> None:
        waiting = self.waiting_bytes
        if waiting > WAKE_BYTES:
            self._wake.set()
        if CROWDED_BYTES < waiting <= KEPT_BYTES:
            with suppress(OSError):
                self.write()

    def write(self) -> None:
        """Bring all blocks to the file. Raises OSError; they are kept then."""
        with self._watcher.guard, self._writing:  # the guard: no signal between the file and the list
            self._write()

    def _write(self) -> None:
        batch = self._waiting[:]
        if batch:
            self.writer.append(batch)
            del self._waiting[: len(batch)]
            self._taken += sum(map(len, batch))
            self._unsynced = True

    def flush(self) -> None:
        """Everything logged so far is on the disk when this returns. Raises OSError."""
        self.spill()
        self.write()
        self.writer.sync()
        self._unsynced = False

    def stop(self) -> None:
        """End the thread; what waits stays."""
        self._stopped = True
        self._wake.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def unwritten(self) -> list[bytes]:
        """The blocks that the disk did not take."""
        return self._waiting[:]

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()
            if not self._stopped:
                self._turn()

    def _turn(self) -> None:
        try:
            if self.calls or self.events:
                self.spill()
            with self._writing:
                self._write()
            self._care()
        except OSError as error:
            self._failed(error)

    def _care(self) -> None:
        """Now and then: the disk, and a sign of life."""
        now = time.monotonic()
        if self._unsynced and now - self._synced > SYNC_SECONDS:
            self.writer.sync()
            self._synced, self._unsynced = now, False
        if now - self._touched > TOUCH_SECONDS:
            self.writer.touch()
            self._touched = now
