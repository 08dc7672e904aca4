"""Params and metrics from files, standard input and words, merged into one value each.

Nothing overrides anything: a name that two sources give two different values is refused and both are named,
on the command line too, since a run that was recorded with the wrong one of two values is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ledger.canonical import NON_FINITE, compact, number
from ledger.errors import InputError, UsageError, words_of_the_call
from ledger.model import Json, Metric
from ledger.record.files import is_series_file, load, scalar, split_source
from ledger.record.plain import json_path, plain
from ledger.store.values import clean_name, is_number, parse_number, too_large

MAX_NAMES = 20_000
_SHOWN_FAULTS = 20
_SPELLINGS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the sources hold together, and where each flat name came from (a file, `-p`, `-m`).

    Params keep their nesting, and the flat name joins the keys with `.`; metrics are flat, joined with `/`.
    """

    values: dict[str, Json]
    origins: Mapping[str, str]

    def metrics(self) -> dict[str, Metric]:
        """Give the values with the type that metrics have."""
        return self.values  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    origin: str
    value: Json
    prefix: str = ""


def read_params(
    sources: Sequence[str],
    words: Sequence[str] = (),
    *,
    stdin: IO[bytes] | None = None,
    syntax: str | None = None,
) -> Inputs:
    """Read params from files (`FILE`, `prefix=FILE`, `-`) and `name=value` words.

    Raises InputError, and UsageError for what is wrong with the words by themselves. A prefix becomes an outer key. `syntax` is the format of standard input and of files without a known ending.
    """
    with words_of_the_call():
        given = list(_worded(words, "-p", scalar))
        _params(given)
    return _params([*_documents(sources, stdin, syntax), *given])


def read_metrics(
    sources: Sequence[str],
    words: Sequence[str] = (),
    *,
    stdin: IO[bytes] | None = None,
    syntax: str | None = None,
) -> Inputs:
    """Read metrics as `read_params` reads params; a prefix stands before each name (`eval/f1`).

    Values are numbers, NaN and infinities among them, or null. Integers stay exact.
    """
    with words_of_the_call():
        given = list(_worded(words, "-m", _number_word))
        _metrics(given)
    return _metrics([*_documents(sources, stdin, syntax), *given])


def params_of(values: Mapping[str, object], origin: str = "params") -> Inputs:
    """Check params that a program hands over. Raises InputError that names `origin`."""
    return _params([_Document(origin=origin, value=plain(values, origin))])


def metrics_of(values: Mapping[str, object], origin: str = "metrics") -> Inputs:
    """Check metrics that a program hands over. Raises InputError that names `origin`."""
    return _metrics([_Document(origin=origin, value=plain(values, origin))])


def _documents(sources: Sequence[str], stdin: IO[bytes] | None, syntax: str | None) -> Iterator[_Document]:
    for source in sources:
        prefix, path = split_source(source)
        if is_series_file(path):
            raise InputError(f"{path}: a file of series", hint=f"give it as --history {path}")
        value, origin = load(path, stdin=stdin, syntax=syntax)
        yield _Document(origin=origin, value=plain(value, origin), prefix=prefix)


def _worded(words: Sequence[str], option: str, read: Callable[[str, str], Json]) -> Iterator[_Document]:
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise UsageError(
                f"{option} {word}: not NAME=VALUE", hint=f"for example {option} {word.strip() or 'lr'}=0.1"
            )
        yield _Document(origin=option, value={name: read(text, f"{option} {name}")})


def _number_word(text: str, what: str) -> Json:
    if not is_number(text):
        return scalar(text, what)
    try:
        return parse_number(text)
    except OverflowError as error:
        raise too_large(what, text) from error


def _leaves(value: Mapping[str, Json], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Json]]:
    for key, item in value.items():
        inner = (*path, key)
        if isinstance(item, dict) and item:
            yield from _leaves(item, inner)
        else:
            yield inner, item


def _top(document: _Document) -> Iterator[tuple[tuple[str, ...], Json]]:
    if not isinstance(document.value, dict):
        shown = compact(document.value)[:60]
        raise InputError(
            f"{document.origin}: an object of names and values is wanted, this is {shown}",
            hint='such as {"f1": 0.9}',
        )
    return _leaves(document.value, (document.prefix,) if document.prefix else ())


@dataclass(slots=True, kw_only=True)
class _Merged:
    """Flat names with their values and origins, while sources are put together."""

    what: str
    leaves: dict[str, Json] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def knows(self, name: str, value: Json, origin: str) -> bool:
        """Tell whether the name stands already. Raises InputError if it does for another value."""
        if name in self.leaves and not _equal(self.leaves[name], value):
            raise self.conflict(name, compact(value), origin)
        return name in self.leaves

    def add(self, name: str, value: Json, origin: str) -> None:
        if len(self.leaves) >= MAX_NAMES:
            raise InputError(
                f"{origin}: more than {MAX_NAMES:,} {self.what}",
                hint="put series into a history file (--history) and tables into an artifact (--output)",
            )
        self.leaves[name] = value
        self.origins[name] = origin

    def conflict(self, name: str, shown: str, origin: str) -> InputError:
        known = (
            f"{compact(self.leaves[name])[:60]} in {self.origins[name]}"
            if name in self.leaves
            else "an object"
        )
        return InputError(
            f"{name} is {known} and {shown[:60]} in {origin}",
            hint="nothing overrides anything: remove one, or give a file a prefix of its own (PREFIX=FILE)",
        )


def _equal(one: Json, other: Json) -> bool:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (one, other))
    return (numbers and one == other) or compact(one) == compact(other)


def _params(documents: Iterable[_Document]) -> Inputs:
    merged = _Merged(what="params")
    values: dict[str, Json] = {}
    for document in documents:
        for path, leaf in _top(document):
            names = tuple([clean_name(part, document.origin) for part in path])
            flat = clean_name(".".join(names), document.origin)
            if not merged.knows(flat, leaf, document.origin):
                _insert(values, _nested(values, names), leaf, merged, document.origin)
                merged.add(flat, leaf, document.origin)
    return Inputs(values=values, origins=merged.origins)


def _nested(values: dict[str, Json], names: tuple[str, ...]) -> tuple[str, ...]:
    """Let a dotted name join the object that another source gives (`-p optimizer.lr=0.1`)."""
    head, dot, rest = names[0].partition(".")
    joins = len(names) == 1 and dot and rest and isinstance(values.get(head), dict)
    return tuple(names[0].split(".")) if joins and all(names[0].split(".")) else names


def _insert(
    values: dict[str, Json], names: tuple[str, ...], leaf: Json, merged: _Merged, origin: str
) -> None:
    node: Any = values
    for depth, name in enumerate(names[:-1], 1):
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            raise merged.conflict(".".join(names[:depth]), "an object", origin)
    if isinstance(node.get(names[-1]), dict) and leaf != {}:
        raise merged.conflict(".".join(names), compact(leaf), origin)
    node.setdefault(names[-1], leaf)


def _metrics(documents: Iterable[_Document]) -> Inputs:
    merged = _Merged(what="metrics")
    faults: list[str] = []
    for document in documents:
        for path, leaf in _top(document):
            name = clean_name("/".join(path), document.origin)
            value, fault = _metric(leaf)
            if fault:
                inner = path[1:] if document.prefix else path
                faults.append(f"{document.origin}: {json_path(inner)} = {compact(leaf)[:60]}: {fault}")
            elif not merged.knows(name, value, document.origin):
                merged.add(name, value, document.origin)
    _refuse(faults)
    return Inputs(values=merged.leaves, origins=merged.origins)


def _metric(value: Json) -> tuple[Metric, str]:
    """Give the number, or what is wrong with the value."""
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value, ""
    if isinstance(value, str):
        word = number(_SPELLINGS.get(value, value))
        return (word, "") if isinstance(word, float) else (None, _text_fault(value))
    return None, _FAULTS[type(value)]


def _text_fault(text: str) -> str:
    if is_number(text):
        return "text; remove the quotes if it is a number"
    return (
        f"text is no metric; put it into the params or a tag (non-finite numbers are {', '.join(NON_FINITE)})"
    )


_FAULTS: dict[type, str] = {
    bool: "a boolean is no metric; write 1 or 0, or put it into the params",
    list: "a list is no metric; put a series into a history file (--history)",
    dict: "an empty object is no metric; write null if there is no value",
}


def _refuse(faults: Sequence[str]) -> None:
    if not faults:
        return
    rest = len(faults) - _SHOWN_FAULTS
    more = (f"and {rest} more",) if rest > 0 else ()
    if len(faults) == 1:
        raise InputError(faults[0], hint="a metric is a number or null")
    raise InputError(
        f"{len(faults)} metrics are not numbers",
        hint="a metric is a number or null",
        details=(*faults[:_SHOWN_FAULTS], *more),
    )
