"""Rows of the index: the columns that records fill, and records gathered into them until a segment is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from ledger import canonical
from ledger.ids import is_id
from ledger.model import Json, utc_time
from ledger.store.gather import Gathered, Values

TEXT_COLUMNS: Final = (
    "record", "run_id", "base", "merges", "settles", "commit", "name", "parent", "note", "reason",
)  # fmt: skip
CODED_COLUMNS: Final = (
    "ref", "experiment", "status", "author", "schema", "schema_name",
    "code_commit", "code_tree", "code_branch", "code_base", "code_patch", "code_snapshot_tree", "code_ignored",
)  # fmt: skip
"""Texts that repeat from run to run: dictionary encoded."""
TIME_COLUMNS: Final = ("recorded", "started", "finished")
"""Microseconds since 1970, UTC."""
OTHER_COLUMNS: Final = ("duration", "code_dirty", "code_end", "history", "again")
"""`again`: other records of its run were indexed before this one."""
COLUMNS: Final = (*TEXT_COLUMNS, *CODED_COLUMNS, *TIME_COLUMNS, *OTHER_COLUMNS)

METRICS, PARAMS, TAGS = "metrics", "params", "tags"
GROUPS: Final = (METRICS, PARAMS, TAGS)


@dataclass(slots=True)
class Builder:
    """Collects records until they are written as one segment."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    """One for each record, in the order of `_ROW`."""
    gathered: dict[str, Gathered] = field(default_factory=lambda: {group: Gathered() for group in GROUPS})
    ids: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    faults: list[dict[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def add(
        self,
        *,
        ref: str,
        commit: str,
        run: Mapping[str, Any],
        params: Mapping[str, Json],
        metrics: Mapping[str, Any],
        schema: str | None,
        history: bool,
        again: bool = False,
    ) -> None:
        """A decoded `run.json` (as a mapping, its version checked), params and metrics of one record.

        Raises KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError for what is none.
        """
        found = _fields(run)
        _require_numbers(metrics)
        flat, tags = flatten(params), dict(run.get("tags") or {})
        # From here on nothing fails, so that no column is longer than another.
        row = len(self.rows)
        self.rows.append((*found, ref, commit, schema, history, again or run["id"] in self.runs))
        self.ids.add(run["record"])
        self.runs.add(run["id"])
        self.gathered[METRICS].add(row, metrics)
        self.gathered[PARAMS].add(row, flat)
        self.gathered[TAGS].add(row, tags)

    def columns(self) -> dict[str, Sequence[Any]]:
        """By name."""
        down = zip(*self.rows, strict=True) if self.rows else ((),) * len(_ROW)
        return dict(zip(_ROW, down, strict=True))

    def values(self) -> dict[str, dict[str, Values]]:
        """By group and name."""
        return {
            group: gathered.columns(as_metrics=group == METRICS) for group, gathered in self.gathered.items()
        }


_NUMBERS: Final = frozenset({int, float, type(None)})


def _require_numbers(metrics: Mapping[str, Any]) -> None:
    if _NUMBERS.issuperset(map(type, metrics.values())):
        return
    for name, value in metrics.items():
        if type(value) not in _NUMBERS and not (isinstance(value, str) and value in canonical.NON_FINITE):
            raise TypeError(f"the metric {name[:80]} is not a number")


_TEXTS: Final = (
    "record", "run_id", "base", "name", "parent", "note", "reason", "experiment", "status", "author", "schema_name",
    "code_commit", "code_tree", "code_branch", "code_base", "code_patch", "code_snapshot_tree", "code_ignored",
    "merges", "settles",
)  # fmt: skip
RUN_COLUMNS: Final = (*_TEXTS, *TIME_COLUMNS, "duration", "code_dirty", "code_end")
"""Those that `run.json` fills."""
_ROW: Final = (*RUN_COLUMNS, "ref", "commit", "schema", "history", "again")
_TEXT: Final = frozenset({str, type(None)})
_NOTHING: Final[Mapping[str, Any]] = {}


def row_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that `run.json` fills. Raises as `Builder.add` does."""
    return dict(zip(RUN_COLUMNS, _fields(run), strict=True))


def _fields(run: Mapping[str, Any]) -> tuple[Any, ...]:
    """In the order of `RUN_COLUMNS`. Columns are written long after a record was read: what can't be written is refused now."""
    get = run.get
    code = (get("code") or _NOTHING).get
    ignored, settles, duration = code("ignored"), get("settles"), get("duration")
    texts = (
        run["record"], run["id"], get("base"), get("name"), get("parent"), get("note"), get("reason"),
        run["experiment"], get("status"),
        (get("author") or _NOTHING).get("name"), (get("schema") or _NOTHING).get("name"),
        code("commit"), code("tree"), code("branch"), code("base"), code("patch_id"), code("snapshot_tree"),
        json.dumps(ignored) if ignored else None,
        _merges(get("merges")), json.dumps(settles) if settles else None,
    )  # fmt: skip
    _require_texts(texts)
    return (
        *texts,
        _micros(get("recorded")),
        _micros(get("started")),
        _micros(get("finished")),
        None if duration is None else float(duration),
        bool(code("dirty")),
        code("captured") != "start",
    )


def _require_texts(texts: Sequence[Any]) -> None:
    if not _TEXT.issuperset(map(type, texts)):
        wrong = next(name for name, text in zip(_TEXTS, texts, strict=True) if type(text) not in _TEXT)
        raise TypeError(f"{wrong} is not text")
    record, run_id, base = texts[:3]
    # Anything else could be a prefix of the ids of others, and be taken for them.
    if not (is_id(record) and is_id(run_id) and (base is None or is_id(base))):
        wrong = next(
            name for name, text in zip(_TEXTS, texts[:3], strict=False) if text is None or not is_id(text)
        )
        raise ValueError(f"{wrong} is not 32 hex digits")


def _merges(ids: object) -> str | None:
    """Ids, a space between two. Raises TypeError, ValueError for what are none."""
    if not ids:
        return None
    if not isinstance(ids, list) or not all(map(is_id, ids)):
        raise ValueError("merges is not a list of 32 hex digits each")
    return " ".join(ids)


_MINUTE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)
_SECONDS: Final = re.compile(r":([0-5]\d)\.(\d{6})Z", re.ASCII)


def _micros(text: str | None) -> int | None:
    """Since 1970. What ledger writes is read with one calendar calculation a minute of its time, anything else alone."""
    if not text:
        return None
    seconds = _SECONDS.fullmatch(text, 16)
    minute = _minute(text[:16]) if seconds else None
    if seconds is None or minute is None:
        return _instant(text)
    return minute + int(seconds[1]) * 1_000_000 + int(seconds[2])


@lru_cache(1024)
def _minute(text: str) -> int | None:
    return _instant(f"{text}Z") if _MINUTE.fullmatch(text) else None


def _instant(text: str) -> int:
    moment = utc_time(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def flatten(params: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    """Nested objects → dotted names; lists and empty objects stay values."""
    if not prefix and dict not in set(map(type, params.values())):
        return dict(params)
    flat: dict[str, Json] = {}
    for key, value in params.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
