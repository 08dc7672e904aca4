"""The chain lock of a repository: for speed, and to know what a dead holder left.

The kernel frees it when its last holder dies; git children inherit it, so that nobody gets it while an orphan
still writes. Correctness rests on compare-and-swap, so a file system whose locks do nothing only costs retries.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ledger.errors import GitError, LedgerError
from ledger.frozen import frozen
from ledger.store.boot import boot_id

_DIED = 128
"""git's exit code when it says why it ends; above are signals."""
_REF = re.compile(r"refs/(?:[a-z]+/){1,2}[a-z0-9_][a-z0-9._-]*")


@frozen()
class Intent:
    """What a holder is about to do to one ref."""

    ref: str
    old: str | None
    new: str
    code_ref: str | None = None
    files: tuple[str, ...] = ()
    """Names of the sealed files whose records the update chains."""


@frozen()
class Predecessor:
    """The last holder, as far as it matters to its successor."""

    died: bool
    """It did not say good-bye: its intents may be done, half done or not begun."""
    rebooted: bool
    """The machine has started anew, and nobody has mended since: what was not fsynced is gone, intents included."""
    intents: tuple[Intent, ...] = ()
    new: bool = False
    """There is no note of one: the first ever, or the lock's file was removed, maybe while it was held."""
    elsewhere: bool = False
    """It ran on another machine: where locks don't reach that far it may live, and still be writing."""


@dataclass(slots=True)
class Held:
    """The lock while it is held; `descriptor` is handed to git children."""

    descriptor: int
    predecessor: Predecessor
    path: Path
    _intents: list[Intent] = field(default_factory=list)
    """In doubt: what the predecessor left until that is mended, then what is begun here and not settled."""
    _doubt: bool = False
    _rebooted: bool = False
    _note: bytes = b""
    _disturbed: bool = False

    def begin(self) -> None:
        """Say who holds the lock. What a dead predecessor left stays on record: this holder may die before it is mended."""
        self._intents = list(self.predecessor.intents)
        self._rebooted = self.predecessor.rebooted
        self._write(open_=True)

    def mended(self) -> None:
        self._intents, self._rebooted = [], False

    def announce(self, *intents: Intent) -> None:
        self._intents += intents
        self._write(open_=True)

    def settle(self, intent: Intent) -> None:
        """It is done, or surely was not: nothing of it has to be looked at again."""
        self._intents.remove(intent)

    def doubt(self) -> None:
        """Something pending may be on its chain already: the next holder looks before it chains."""
        self._doubt = True

    def alone(self) -> bool:
        """Whether nobody else can have written since it was taken, whatever locks are worth on this file system.

        Every holder writes its note before it touches a ref: one that is not ours, a file that is not the one
        that was locked, or a predecessor that may still live, and what is on the chains has to be asked of git.
        """
        before = self.predecessor
        if before.died or before.rebooted or before.new or not self._undisturbed():
            self._disturbed = True
        return not self._disturbed

    def _undisturbed(self) -> bool:
        noted = os.pread(self.descriptor, len(self._note) + 1, 0)
        return noted == self._note and _is_at(self.descriptor, self.path)

    def close(self) -> None:
        self._write(open_=self._doubt or self._rebooted or bool(self._intents))

    def _write(self, *, open_: bool) -> None:
        """One write that covers the old state, so that a kill leaves the old or the new one, and nothing between."""
        state = {
            **_who(),
            "open": open_,
            "rebooted": self._rebooted,
            "intents": [asdict(intent) for intent in self._intents],
        }
        data = json.dumps(state).encode()
        self._disturbed = self._disturbed or bool(self._note and not self._undisturbed())
        self._note = data
        os.pwrite(self.descriptor, data.ljust(os.fstat(self.descriptor).st_size), 0)
        os.ftruncate(self.descriptor, len(data))


@contextmanager
def acquire(path: Path, *, wait_seconds: float) -> Iterator[Held | None]:
    """The lock, or None when others hold it for longer than `wait_seconds`. Raises OSError.

    Who does not wait leaves it to one who does: writers without a pause would starve a push otherwise.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    turn = _open(path.with_name(f"{path.name}.turn"))
    try:
        with _acquired(path, turn, wait_seconds) as held:
            yield held
    finally:
        os.close(turn)


@contextmanager
def _acquired(path: Path, turn: int, wait_seconds: float) -> Iterator[Held | None]:
    if not wait_seconds and not _free(turn):
        yield None
        return
    descriptor = _open(path)
    try:
        locked = _lock(descriptor, turn, wait_seconds)
        while locked and not _is_at(descriptor, path):  # somebody removed it: others lock the new one
            os.close(descriptor)
            descriptor = _open(path)
            locked = _lock(descriptor, turn, wait_seconds)
        if not locked:
            yield None
            return
        held = Held(descriptor, _predecessor(os.pread(descriptor, 1 << 24, 0)), path)
        held.begin()
        try:
            yield held
        except LedgerError as error:
            if not _killed(error):
                held.close()  # it knows what it did, and says so: nobody has to look after it
            raise
        held.close()
    finally:
        os.close(descriptor)


def _killed(error: LedgerError) -> bool:
    """Whether a child of git's was cut off, and may have left a lock."""
    return isinstance(error, GitError) and not 0 <= error.code <= _DIED


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int, turn: int, wait_seconds: float) -> bool:
    """Take it; one who waits holds the turn meanwhile, or queues for that too."""
    end = time.monotonic() + wait_seconds
    pause = 0.001
    first = _try(turn, fcntl.LOCK_EX) if wait_seconds else True
    while not _try(descriptor, fcntl.LOCK_EX):
        if time.monotonic() >= end:
            return False
        first = first or _try(turn, fcntl.LOCK_EX)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)
    return True


def _free(turn: int) -> bool:
    found = _try(turn, fcntl.LOCK_SH)
    if found:
        fcntl.flock(turn, fcntl.LOCK_UN)
    return found


def _try(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _predecessor(data: bytes) -> Predecessor:
    try:
        state: dict[str, Any] = json.loads(data) if data.strip(b"\0") else {}
        intents = tuple(map(_intent, state.get("intents", ())))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Predecessor(died=True, rebooted=True)  # torn: trust nothing of it
    me = _who()
    same_host, same_boot = state.get("host") == me["host"], state.get("boot") == me["boot"]
    return Predecessor(
        died=bool(state.get("open")),
        rebooted=bool(state.get("rebooted")) or (bool(state) and same_host and not same_boot),
        intents=intents,
        new=not state,
        elsewhere=bool(state) and not same_host and not same_boot,  # containers of one machine share its boot
    )


def _intent(item: Mapping[str, Any]) -> Intent:
    """What a note says. Raises ValueError and others for what no holder writes: its refs become names of files."""
    found = Intent(**{**item, "files": tuple(item["files"])})
    texts = (found.new, "" if found.old is None else found.old, *found.files)
    own = all(_REF.fullmatch(ref) for ref in (found.ref, found.code_ref) if ref is not None)
    if not own or not all(isinstance(text, str) for text in texts):
        raise ValueError("not an intent")
    return found


def _who() -> dict[str, object]:
    return {"host": os.uname().nodename, "boot": boot_id(), "pid": os.getpid(), "since": time.time()}


@frozen()
class Holder:
    """Who has the lock, or had it and did not give it back."""

    host: str
    pid: int
    since: float
    """Seconds since 1970."""
    alive: bool | None
    """None: on another machine, where we can't look."""


def holder(path: Path) -> Holder | None:
    """Who has the lock now, as far as the lock's file says; None for nobody. Never takes the lock itself."""
    try:
        state = json.loads(path.read_bytes())
        if not state["open"]:
            return None
        host, boot, pid, since = state["host"], state["boot"], int(state["pid"]), float(state["since"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    me = _who()
    if host != me["host"]:
        return Holder(host=host, pid=pid, since=since, alive=None)
    return Holder(host=host, pid=pid, since=since, alive=boot == me["boot"] and _runs(pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
