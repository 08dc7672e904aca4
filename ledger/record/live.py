"""A live run: what training code logs into, and how it ends."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import time_ns
from types import TracebackType
from typing import Any, Literal, Self, SupportsIndex, get_args

from ledger.errors import GateError, InputError, LedgerError, StorageError
from ledger.model import Artifact, Status
from ledger.record import ending, noted, signals, texts, values
from ledger.record.begin import Begun
from ledger.record.collected import Params, Summary
from ledger.record.draft import status_of
from ledger.record.intake import SMALL_STEP, Intake, joined
from ledger.record.outlet import Outlet
from ledger.record.ranges import Ranges
from ledger.record.run import Recorded
from ledger.record.signals import Watcher
from ledger.record.voice import Voice, say
from ledger.store import points
from ledger.store.journal import Writer
from ledger.store.points import NO_STEP

OnError = Literal["warn", "raise"]
OnRange = Literal["warn", "stop", "ignore"]
ON_ERROR: tuple[str, ...] = get_args(OnError)
ON_RANGE: tuple[str, ...] = get_args(OnRange)
_POINTS_AT_ONCE = 65_536


class Run:
    """A run that goes on. Safe to call from any thread; inert in a forked child.

    `log` checks what it is given and returns; a thread of the run's own brings it to the journal. What the environment
    breaks (a full disk) is said once and training goes on; wrong use raises InputError at once.
    """

    id: str
    experiment: str
    name: str | None
    attempt: int
    """1, and one more each time that the run is resumed."""

    def __init__(
        self, begun: Begun, *, on_error: OnError = "warn", ranges: OnRange = "warn", quiet: bool = False
    ) -> None:
        self.id, self.experiment = begun.id, begun.experiment
        self.name, self.attempt = begun.name, begun.attempt
        self.on_error: OnError = on_error
        self.params = Params(begun.params, self._note)
        """The settings; assigning adds to them."""
        self.summary = Summary(self._note)
        """Values that stand for their metrics, in place of what the schema's rule makes of the series."""
        self._begun = begun
        self._watcher = Watcher()
        self._voice = Voice(quiet=quiet)
        self._finishing = threading.RLock()
        self._result: Recorded | None = None
        self._done = begun.writer is None
        self._over = False
        """Ended by this process, and not only none of its business."""
        self._earlier = getattr(sys, "last_value", None)
        self._outlet = _outlet(begun.writer, self._watcher, self._failed)
        self._intake = Intake(self._outlet, begun.context)
        self._ranges: Ranges | None = None
        if self._outlet is not None:
            if begun.schema is not None and ranges != "ignore":
                self._ranges = Ranges(begun.schema, self._out_of_range, stop=ranges == "stop")
                self._outlet.checked = self._ranges.check
            _live.add(self)
            signals.watch(self._watcher)

    @property
    def inert(self) -> bool:
        """Whether what is logged here goes nowhere: another rank records, the run is over, or this is a forked child."""
        return self._done

    @property
    def journal(self) -> Path | None:
        """The file that this process logs into; None for an inert run."""
        return self._begun.writer.path if self._begun.writer else None

    # logging ----------------------------------------------------------------------------------------------------

    def log(
        self,
        observations: Mapping[str, Any] | None = None,
        /,  # and no `*`: the defaults of parameters without a place are looked up, one by one, in each call
        step: SupportsIndex | None = None,
        time: Any = None,
        context: str | Mapping[str, Any] | None = None,
        wait: bool = False,  # noqa: FBT001, FBT002
        **named: Any,
    ) -> None:
        """Log metrics: `log({"loss": 0.3}, step=7)` or `log(loss=0.3, step=7)`.

        Args:
            observations: metric → number; NaN and infinities are values, None is one that was computed without a value.
            step: a whole number; the same or a lower one may come again, and all are kept.
            time: seconds since 1970 or a datetime; else now.
            context: on what it was measured, such as `{"split": "val"}`.
            wait: return only when it is on the disk.
            named: metrics whose names are words.

        Raises:
            InputError: a value or a step that is not a number, or a name that breaks the rules for names.

        """
        if observations is None:
            observations = named
        elif named:
            observations = joined(observations, named)
        # Nearly every call is like the one before: one metric, a float, a small step. Nothing is made for it but what
        # is kept, and nothing is looked at twice. Two comparisons are quicker here than one chain of them.
        if (
            time is None
            and context is None
            and not wait
            and type(observations) is dict
            and len(observations) == 1
        ):
            intake = self._intake
            name, layout = intake.last
            if name in observations:
                value = observations[name]
                if type(value) is float and type(step) is int and step >= 0 and step <= SMALL_STEP:
                    calls = intake.calls
                    calls.extend((layout, step, time_ns(), value))
                    if len(calls) >= intake.limit:
                        intake.spill()
                    return
        self._intake.take(observations, step, time, context)
        if wait:
            self.flush()

    def log_many(
        self,
        metric: str,
        steps: Any,
        values: Any,  # the public word
        times: Any = None,
        *,
        context: str | Mapping[str, Any] | None = None,
    ) -> None:
        """Log a series of one metric at once: lists, arrays, anything with the buffer protocol; equally long.

        `steps` may be None where nobody knows them; `times` (seconds since 1970) is now where it is not given.
        Raises InputError.
        """
        column = _doubles(values, metric)
        count = len(column)
        at = _steps(steps) if steps is not None else array("q", [NO_STEP]) * count
        when = _times(times, count)
        if not len(at) == len(when) == count:
            raise InputError(f"{metric}: {count:,} values, {len(at):,} steps and {len(when):,} times")
        layout = self._intake.layout(metric, context)
        if self._outlet is None or not self._goes_on():
            return
        if self._ranges is not None:
            self._ranges.check_series(layout.metrics[0], column)
        for start in range(0, count, _POINTS_AT_ONCE):
            piece = slice(start, start + _POINTS_AT_ONCE)
            block = points.encode_series(layout, at[piece], when[piece], column[piece])
            self._outlet.add_series(block, len(column[piece]))

    def event(
        self,
        message: str,
        *,
        level: str = "info",
        time: Any = None,
        logger: str | None = None,
        **fields: Any,
    ) -> None:
        """Something that happened, with a level and fields of its own. Never waits for the disk, nor for a lock."""
        document = noted.event(
            str(message),
            level=str(level).lower(),
            time=values.microseconds(time),
            logger=logger,
            fields=fields,
        )
        if self._outlet is not None and self._goes_on():
            self._outlet.add_event(document)

    def require(self, condition: object, message: str) -> None:
        """Stop training where it can't come to anything: raises GateError, which fails the run, unless `condition` holds."""
        if not condition:
            self.event(message, level="error")
            raise GateError(message, hint="a check of the training program's own failed (run.require)")

    # what belongs to the run as a whole ---------------------------------------------------------------------------

    def config(self, settings: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Add params that were not known at the start. Raises InputError."""
        self.params.update({**(settings or {}), **named})

    def tag(self, name: str, value: str) -> None:
        """Set a tag. Raises InputError for a value that is not text."""
        name, value = texts.tag(name, value)
        self._note({"op": "tag", "name": name, "value": value})

    def note(self, text: str) -> None:
        """Set the note. Raises InputError for what is not text."""
        self._note({"op": "note", "text": texts.text(text, "note")})

    def artifact(self, role: str, name: str, path: str | os.PathLike[str]) -> Artifact:
        """A data set, a model or another output: its hash and size are recorded as they are now.

        `role` is `dataset`, `model` or `output`; `path` may be a folder or a URI. Raises InputError, UsageError.
        """
        from ledger.record.artifacts import artifact

        made = artifact(role, f"{name}={os.fspath(path)}", root=self._begun.root)
        self._note({"op": "artifact", **asdict(made), "hashes": dict(made.hashes)})
        return made

    def flush(self) -> None:
        """Bring everything logged so far to the disk: neither a kill nor a power cut takes it from then on.

        Raises StorageError where the disk refuses and `on_error` is `raise`.
        """
        if self._outlet is not None and not self._done:
            try:
                self._outlet.flush()
            except OSError as error:
                self._failed(error)
                self._raise_if_asked(error)

    # the end --------------------------------------------------------------------------------------------------------

    def finish(self, status: str | None = None, *, reason: str | None = None) -> Recorded | None:
        """End the run and record it; None for an inert one, and where it could not be recorded (which is said).

        What could not be recorded is in the journal still, or in the file of a refused run, and `ledger recover` or
        `ledger record --refused` finishes it. Again, it returns what it returned first.

        Raises LedgerError where `on_error` is `raise`.
        """
        with self._finishing:
            if self._outlet is None or self._done:
                return self._result
            how = status_of(status) if status else self._status_now()
            try:
                with self._watcher.guard.held_back():
                    self._result = self._ended(self._outlet, how, reason)
            finally:
                signals.unwatch(self._watcher)
            return self._result

    def _ended(self, outlet: Outlet, status: Status, reason: str | None) -> Recorded | None:
        from ledger.record import conclude

        outlet.stop()
        outlet.spill()
        self._done = self._over = True
        self._intake.close(self._too_late)
        _live.discard(self)
        try:
            return conclude.finished(
                self._begun, outlet, status=status, reason=reason, say=self._voice.remark
            )
        except LedgerError as error:
            say(error.message)
            hint = error.hint
            if isinstance(error, StorageError) and outlet.writer.path.exists():
                hint = f"what was written stays in {outlet.writer.path}; make room, and `ledger recover` records it"
            for line in (*error.details, *([f"hint: {hint}"] if hint else ())):
                say(f"  {line}")
            if self.on_error == "raise":
                raise
        except OSError as error:
            say(f"the run is not recorded yet: {error}; `ledger recover` does it from {outlet.writer.path}")
            self._raise_if_asked(error)
        except Exception as error:
            say(f"a bug in ledger: {error!r}; `ledger recover` records the run from {outlet.writer.path}")
            if self.on_error == "raise":
                raise
        return None

    def __repr__(self) -> str:
        state = "inert" if self._outlet is None else "over" if self._done else "goes on"
        return f"<Run {self.id[:8]} of {self.experiment}: {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outlet is None or self._done:
            return
        if error is None:
            self.finish()
            return
        status, reason = self._blamed(error)
        with suppress(LedgerError):  # the error that ends the block is the one to see
            self.finish(status, reason=reason)

    def _blamed(self, error: BaseException) -> tuple[Status, str | None]:
        how = ending.of(error, self._watcher.signal)
        if how.event:
            self._note(noted.event(time=time_ns() // 1000, **how.event))
        return how.status, how.reason

    def _status_now(self) -> Status:
        return Status.KILLED if self._watcher.signal is not None and signals.dying() else Status.FINISHED

    # within -------------------------------------------------------------------------------------------------------

    def _note(self, document: dict[str, object]) -> None:
        if self._outlet is not None and self._goes_on():
            self._outlet.add_note(document)

    def _goes_on(self) -> bool:
        if self._over:
            self._too_late()
        return not self._done

    def _too_late(self) -> None:
        """What comes after the end is kept nowhere: said once, or raised where that is asked for."""
        error = InputError(
            f"run {self.id[:8]} is over: what it is given now is not recorded",
            hint=f"ledger.start(resume={self.id[:8]!r}) goes on with it",
        )
        if self.on_error == "raise":
            raise error
        self._voice.once(f"{error.message}; {error.hint}")

    def _failed(self, error: OSError) -> None:
        """The disk does not take the journal: said once; under `raise` the next call raises."""
        path = self._begun.writer.path if self._begun.writer else ""
        self._voice.once(
            f"{path}: {error.strerror or error}; training goes on, what is logged waits in memory", "journal"
        )
        if self.on_error == "raise":
            self._raise_next(_storage(error))

    def _out_of_range(self, message: str, error: GateError | None) -> None:
        self._voice.once(message)
        self.event(message, level="warning")
        if error is not None:
            self._raise_next(error)

    def _raise_next(self, error: LedgerError) -> None:
        if not self._done:
            self._intake.raise_next(error)

    def _raise_if_asked(self, error: OSError) -> None:
        if self.on_error == "raise":
            raise _storage(error) from error

    def _abandon(self) -> None:
        """In a forked child: the run is the parent's."""
        self._done = True
        self._intake.close()

    def _release(self) -> None:
        """At the end of the program: a run that nobody ended ends as the program does."""
        error = getattr(sys, "last_value", None)
        if isinstance(error, BaseException) and error is not self._earlier:
            status, reason = self._blamed(error)
            self.finish(status, reason=reason)
        else:
            self.finish()


_live: set[Run] = set()
_doubles, _steps, _times = values.doubles, values.steps, values.times


def newest() -> Run | None:
    """The run of this process that started last, of those that go on."""
    return max(tuple(_live), key=lambda run: run._begun.started, default=None)  # noqa: SLF001 - of this module


def _outlet(writer: Writer | None, watcher: Watcher, failed: Callable[[OSError], None]) -> Outlet | None:
    return Outlet(writer, watcher, failed) if writer is not None else None


def _storage(error: OSError) -> StorageError:
    return StorageError(
        f"the journal can't be written: {error.strerror or error}", hint="make room; nothing logged is lost"
    )


def _abandon_all() -> None:
    for run in list(_live):
        run._abandon()  # noqa: SLF001 - of this module
    _live.clear()
    signals.forget()


def _release_all() -> None:
    for run in sorted(_live, key=lambda run: run._begun.started, reverse=True):  # noqa: SLF001
        with suppress(LedgerError):
            run._release()  # noqa: SLF001


os.register_at_fork(after_in_child=_abandon_all)
atexit.register(_release_all)
