"""The values that everything passes around: frozen, checked where they are built, changed by replacing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from ledger.frozen import frozen

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Metric: TypeAlias = int | float | None
"""A summary value: finite or not; None means computed without a value."""

RUN_FORMAT = 1
"""Version of the files of a run. 1: the first (2026-11)."""

_EMPTY: Mapping[str, str] = MappingProxyType({})


LEVELS = ("debug", "info", "warning", "error", "critical")
"""Of events, from the least; any other word counts as `info`."""


class Status(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"

    @property
    def partial(self) -> bool:
        """The run was cut short: it may lack what its schema requires of a whole one."""
        return self in (Status.FAILED, Status.KILLED, Status.LOST)


class Level(StrEnum):
    """How a run was attached to a code commit, surest first."""

    COMMIT = "commit"
    TREE = "tree"
    REWRITTEN = "rewritten"
    PATCH = "patch"
    PULL_REQUEST = "pull-request"
    MANUAL = "manual"
    DIRTY_BASE = "dirty-base"
    UNATTACHED = "unattached"


class Grade(StrEnum):
    """How a value relates to the definition it is shown under (symbols are in ledger.render)."""

    IDENTICAL = "identical"
    EXACT = "exact"
    APPROXIMATE = "approximate"
    INCOMPARABLE = "incomparable"
    MISSING = "missing"
    UNDEFINED = "undefined"
    UNDECLARED = "undeclared"
    AMBIGUOUS = "ambiguous"


COMPARABLE = frozenset({Grade.IDENTICAL, Grade.EXACT})
"""Grades that rank, best, delta, sparkline, filters and gates trust without being asked."""


@frozen()
class Author:
    name: str = "ledger"
    email: str = "ledger@localhost"

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


@frozen()
class Code:
    """The exact code of a run. Ids are hex of the repository's object format."""

    commit: str
    tree: str
    branch: str | None = None
    base: str | None = None
    """Merge base with the default branch."""
    patch_id: str | None = None
    """Stable patch id of base..commit."""
    dirty: bool = False
    captured: str = "end"
    """`start` or `end` of the run."""
    snapshot: str | None = None
    """Commit that holds the tracked changes of a dirty work tree."""
    snapshot_tree: str | None = None
    ignored: tuple[str, ...] = ()
    """The run's own inputs and outputs: paths from the top that neither make it dirty nor count in comparisons."""
    problem: str | None = None
    """Why there is no snapshot of a dirty work tree."""


@frozen()
class Artifact:
    role: str
    """`dataset`, `model` or `output`."""
    name: str
    uri: str
    size: int | None = None
    """Bytes."""
    sha256: str | None = None
    rows: int | None = None
    hashes: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    """Hashes that another tool keeps, by algorithm (`md5` of a .dvc pointer)."""


@frozen()
class SchemaName:
    """Which schema document a run was validated against; `version` is a label for people."""

    name: str
    version: str | None = None


@frozen()
class Run:
    """What `run.json` holds: everything about a run but its params, metrics, series and events.

    Times are RFC 3339 in UTC with microseconds (`2026-11-21T02:57:05.000000Z`), `duration` is seconds.
    """

    id: str
    record: str
    recorded: str
    experiment: str
    status: Status = Status.FINISHED
    base: str | None = None
    merges: tuple[str, ...] = ()
    """Records beside `base` that this one was made from: the other tips of a run that was edited at once."""
    settles: tuple[str, ...] = ()
    """Fields (`metrics.f1`) in which its bases say different things, and whose value this record confirms."""
    name: str | None = None
    started: str | None = None
    finished: str | None = None
    duration: float | None = None
    code: Code | None = None
    schema: SchemaName | None = None
    command: tuple[str, ...] = ()
    environment: Mapping[str, Json] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    parent: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    reason: str | None = None
    author: Author = Author()


@frozen()
class Record:
    """One sealed write about a run: the whole run as this write leaves it.

    `schema` is the document that `params` and `metrics` were validated against, as canonical bytes.
    `history` maps file names (`history.parquet`, or `history-0001.parquet`, ...) to Parquet bytes.
    """

    run: Run
    params: Mapping[str, Json] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    schema: bytes | None = None
    history: Mapping[str, bytes] = field(default_factory=dict)
    events: bytes | None = None

    def edited(
        self,
        *,
        recorded: str,
        author: Author,
        reason: str | None,
        merges: tuple[str, ...] = (),
        settles: tuple[str, ...] = (),
    ) -> Record:
        """A further record of the same run that names this one as its base."""
        run = replace(
            self.run,
            record=new_id(),
            base=self.run.record,
            merges=merges,
            settles=settles,
            recorded=recorded,
            author=author,
            reason=reason,
        )
        return replace(self, run=run)


@frozen()
class Fault:
    """One broken rule of a document that was handed in."""

    file: str
    path: str
    """JSON path of the value (`$.metrics.f1`)."""
    value: str
    """The value as JSON text, cut to a readable length; empty where something is absent."""
    rule: str
    """The rule that it breaks, e.g. `maximum 1`."""
    hint: str = ""

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}: {self.path}{value}: {self.rule}{hint}"


@frozen()
class StoreFault:
    """Something in the store that can't be read, or is not what it should be."""

    ref: str
    commit: str
    path: str
    what: str

    @property
    def where(self) -> str:
        """The ref, the commit and the path, as far as there are any, for people."""
        return " ".join(part for part in (self.ref, self.commit[:12], self.path) if part)

    def document(self) -> dict[str, str]:
        """As `--json` shows it."""
        return {"ref": self.ref, "commit": self.commit, "path": self.path, "what": self.what}


def new_id() -> str:
    """128 random bits in hex."""
    return os.urandom(16).hex()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_text(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds; a naive time is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def utc_text_of(microseconds: int) -> str:
    """The same of microseconds since 1970, as the index and histories hold them."""
    return utc_text(_EPOCH + timedelta(microseconds=microseconds))


def utc_time(text: str) -> datetime:
    """The inverse of `utc_text`; reads any RFC 3339 text. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
