"""YAML as plain JSON values: the scalars of YAML 1.2, built from parser events within fixed bounds.

PyYAML resolves scalars by YAML 1.1, where `1e-3` is text, `no` is false, `12:30` is 750 and `010` is 8.
Here a plain scalar is

- null, true or false only when it is spelled so (`~` and nothing are null too); `yes`, `no`, `on`, `off` are text,
  because a text can still be read as what was meant, while a country `no` that became false can't;
- an integer in decimal (`1_000` too), `0x1f` or `0o17`; with leading zeros it is text;
- a float in any decimal form, `.inf`, `.nan`;
- else text: dates and times stay as they are written.

A document is composed from the event stream with a stack of its own, since libyaml's composer overflows the C
stack on deep input, and the expanded size of aliases is counted, so that a few lines can't become gigabytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ledger.canonical import MAX_BYTES, MAX_DEPTH, compact
from ledger.errors import InputError
from ledger.model import Json
from ledger.store.values import MAX_DIGITS, finite, too_large

MAX_HEX_DIGITS = 240
_PREFIX = "tag:yaml.org,2002:"


def loads(text: str, what: str) -> Json:
    """Read the one document of `text`. Raises InputError that names `what` and the line."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _compose(yaml.parse(text, Loader=loader), what)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{what}: not YAML{place}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{what}: not YAML: {str(error).splitlines()[0]}") from error


@dataclass(slots=True, kw_only=True)
class _Frame:
    """A collection that is being read; a mapping waits for a key and for its value in turn."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    size: int = 1
    key: str | None = None
    merging: bool = False
    merges: list[dict[str, Any]] = field(default_factory=list)


class _Composer:
    def __init__(self, what: str) -> None:
        self.what = what
        self.frames: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.documents: list[Any] = []
        self.line = 0

    def fail(self, problem: str, hint: str = "") -> InputError:
        return InputError(f"{self.what}: line {self.line}: {problem}", hint=hint)

    def scalar(self, event: Any) -> None:
        frame = self.frames[-1] if self.frames else None
        if (
            frame
            and event.value == "<<"
            and event.implicit[0]
            and isinstance(frame.value, dict)
            and frame.key is None
        ):
            frame.key, frame.merging = "<<", True
        else:
            self.add(self.resolve(event), event.anchor, len(event.value) + 1)

    def resolve(self, event: Any) -> Json:
        tag = event.tag.removeprefix(_PREFIX) if event.tag else ("plain" if event.implicit[0] else "str")
        reader = _TAGS.get(tag)
        if reader is None:
            raise self.fail(f"the tag {event.tag} has no JSON form", "write a plain value")
        try:
            return reader(event.value)
        except OverflowError as error:
            raise too_large(f"{self.what}: line {self.line}", event.value) from error
        except ValueError as error:
            raise self.fail(f"{compact(event.value[:60])} is not a YAML {tag}") from error

    def open(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        if event.tag and event.tag.removeprefix(_PREFIX) not in {"map", "seq"}:
            raise self.fail(f"the tag {event.tag} has no JSON form", "write a plain mapping or list")
        if len(self.frames) >= MAX_DEPTH:
            raise self.fail(f"nested more than {MAX_DEPTH} levels deep", "flatten it")
        self.frames.append(_Frame(value=value, anchor=event.anchor))

    def close(self) -> None:
        frame = self.frames.pop()
        for merged in frame.merges:
            for key, value in merged.items():
                frame.value.setdefault(key, value)  # type: ignore[union-attr]
        self.add(frame.value, frame.anchor, frame.size)

    def alias(self, name: str) -> None:
        if name not in self.anchors:
            raise self.fail(f"the alias *{name} is not defined before, or stands inside of itself")
        self.add(*_without_anchor(self.anchors[name]))

    def add(self, value: Any, anchor: str | None, size: int) -> None:
        if anchor:
            self.anchors[anchor] = (value, size)
        if not self.frames:
            self.documents.append(value)
            return
        frame = self.frames[-1]
        frame.size += size
        if frame.size > MAX_BYTES:
            raise self.fail(
                f"its aliases expand to more than {MAX_BYTES:,} bytes", "write the values out, or fewer"
            )
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is None:
            frame.key = self.key(value)
        else:
            self.pair(frame, frame.value, frame.key, value)
            frame.key, frame.merging = None, False

    def pair(self, frame: _Frame, mapping: dict[str, Any], key: str, value: Any) -> None:
        if frame.merging:
            frame.merges.extend(self.merged(value))
        elif key in mapping:
            raise self.fail(f"the key {compact(key)} stands twice in one mapping", "keep one of them")
        else:
            mapping[key] = value

    def key(self, value: Any) -> str:
        if isinstance(value, (dict, list)):
            raise self.fail("a key that is a mapping or a list", "keys are text or numbers")
        return value if isinstance(value, str) else compact(value).strip('"')

    def merged(self, value: Any) -> list[dict[str, Any]]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise self.fail("`<<` merges mappings only")
        return sources


def _without_anchor(anchored: tuple[Any, int]) -> tuple[Any, None, int]:
    return anchored[0], None, anchored[1]


def _compose(events: Iterable[Any], what: str) -> Json:
    composer = _Composer(what)
    for event in events:
        composer.line = event.start_mark.line + 1
        step = _STEPS.get(type(event).__name__)
        if step is not None:
            step(composer, event)
    if len(composer.documents) > 1:
        raise InputError(
            f"{what}: {len(composer.documents)} YAML documents in one file", hint="keep one of them"
        )
    return composer.documents[0] if composer.documents else None


_STEPS: dict[str, Callable[[_Composer, Any], None]] = {
    "ScalarEvent": _Composer.scalar,
    "AliasEvent": lambda composer, event: composer.alias(event.anchor),
    "SequenceStartEvent": lambda composer, event: composer.open([], event),
    "MappingStartEvent": lambda composer, event: composer.open({}, event),
    "SequenceEndEvent": lambda composer, _: composer.close(),
    "MappingEndEvent": lambda composer, _: composer.close(),
}

_INTEGER = re.compile(r"[-+]?(?:0|[1-9](?:_?[0-9])*)", re.ASCII)
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9](?:_?[0-9])*\.[0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", re.ASCII
)
_NON_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip


def _plain(text: str) -> Json:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    for pattern, reader in _NUMBERS:
        if pattern.fullmatch(text):
            return reader(text)
    return text


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise OverflowError(text)
    return int(text.replace("_", ""), 10)


def _based(text: str) -> int:
    if len(text) > MAX_HEX_DIGITS:
        raise OverflowError(text)
    return int(text, 0)


def _non_finite(text: str) -> float:
    if text[-1] in "nN":
        return math.nan
    return -math.inf if text[0] == "-" else math.inf


_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], Json]], ...] = (
    (_INTEGER, _integer),
    (_FLOAT, lambda text: finite(text.replace("_", ""))),
    (_BASED, _based),
    (_NON_FINITE, _non_finite),
)


def _boolean(text: str) -> bool:
    value = _WORDS.get(text)
    if value is None:
        raise ValueError(text)
    return value


def _float(text: str) -> float:
    return _non_finite(text) if _NON_FINITE.fullmatch(text) else finite(text)


_TAGS: dict[str, Callable[[str], Json]] = {
    "plain": _plain,
    "!": str,
    "str": str,
    "timestamp": str,
    "int": lambda text: _integer(text) if _INTEGER.fullmatch(text) else _based(text),
    "float": _float,
    "bool": _boolean,
    "null": lambda _: None,
}
