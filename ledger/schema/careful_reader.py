"""Migration files read step by step: every fault with its code, its line and a hint.

The format's JSON Schema comes first, then what the definitions prove, what the operations come to, and the id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ledger import canonical
from ledger.errors import InputError
from ledger.model import Json
from ledger.schema import formats
from ledger.schema.codes import Finding, MigrationError, finding
from ledger.schema.edges import Edge
from ledger.schema.lines import conflict_line, line_of
from ledger.schema.locks import hash_of, is_hash, proves, unlock
from ledger.schema.lowered import Migration
from ledger.schema.migration_id import FORMAT, MAX_BYTES, MAX_OPERATIONS, by_target, lowered
from ledger.schema.operations import OPERATIONS, Conversion, Operation, OperationError, Side

MAX_DEPTH = 24

_PARTS = ("metrics", "params")
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_LINE = re.compile(r"\bat line (\d+)\b")


def read(data: bytes, what: str, conversion: Conversion) -> Migration:
    """The migration in a file; `what` names it in messages. Raises MigrationError with all that is wrong."""
    body = _body(data, what)
    for check in (_open_questions, _unsaid, partial(_form, what), _locks):
        _refuse(check(body), data, what)
    edges, wrong = _edges(body, conversion)
    _refuse((*wrong, *_duplicates(body)), data, what)
    _refuse(_identity(body, edges), data, what)
    return _migration(body, edges, what)


def _migration(body: Mapping[str, Any], edges: Sequence[Edge], what: str) -> Migration:
    return Migration(
        id=body["id"] if "id" in body else _id(body, edges),
        file=what,
        summary=body.get("summary", ""),
        schema=body.get("schema", ""),
        labels=(body["from"].get("version", ""), body["to"].get("version", "")),
        supersedes=tuple(body.get("supersedes", ())),
        edges=tuple(edges),
        defs=body["defs"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrong:
    """A finding before its file and line are known; `path` is a JSON path."""

    name: str
    message: str
    path: str = "$"
    hint: str = ""
    metric: str = ""


def _refuse(wrongs: Iterable[_Wrong], data: bytes, what: str) -> None:
    found = tuple(wrongs)
    if found:
        text = data.decode("utf-8-sig")
        raise MigrationError(what, (_finding(wrong, text, what) for wrong in found))


def _finding(wrong: _Wrong, text: str, what: str) -> Finding:
    return finding(
        wrong.name,
        wrong.message,
        metric=wrong.metric,
        hint=wrong.hint,
        file=what,
        line=line_of(text, wrong.path),
    )


def _body(data: bytes, what: str) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise _invalid(what, f"larger than {MAX_BYTES:,} bytes", "split it: a migration is small")
    try:
        body = canonical.loads(data, what=what, max_bytes=MAX_BYTES, max_depth=MAX_BYTES)
    except RecursionError as error:
        raise _invalid(what, _TOO_DEEP, "flatten it") from error
    except InputError as error:
        if conflict := conflict_line(data):
            raise _invalid(what, "a merge conflict is not resolved", "keep one side", conflict) from error
        found = _LINE.search(error.message)
        line = int(found[1]) if found else 1
        raise _invalid(what, error.message.removeprefix(f"{what}: "), error.hint, line) from error
    if not isinstance(body, dict):
        raise _invalid(what, "a migration is a JSON object")
    if canonical.deeper(body, MAX_DEPTH):
        raise _invalid(what, _TOO_DEEP, "flatten it")
    if b"\\u" in data:
        _whole_characters(body, what)
    version = body.get("format")
    if isinstance(version, int) and version > FORMAT:
        said = f"format {version} is newer than this ledger reads ({FORMAT})"
        raise _invalid(what, said, "upgrade ledger", line_of(data.decode("utf-8-sig"), "$.format"))
    return body


def _whole_characters(body: dict[str, Any], what: str) -> None:
    """Half a character can be written as an escape, and has no bytes to hash."""
    try:
        canonical.dumps(body)
    except InputError as error:
        raise _invalid(what, error.message, error.hint) from error


def _invalid(what: str, message: str, hint: str = "", line: int | None = 1) -> MigrationError:
    return MigrationError(what, [finding("MIGRATION_INVALID", message, hint=hint, file=what, line=line)])


_Place = tuple[str, int]
"""Part, and number of an operation in it."""


def _listed(body: Mapping[str, Any]) -> Iterator[tuple[_Place, dict[str, Any]]]:
    """Whatever looks like an operation, and where it stands."""
    for part in _PARTS:
        listed = body.get(part)
        for index, words in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(words, dict):
                yield (part, index), words


def _path(place: _Place) -> str:
    """As a JSON path."""
    return f"$.{place[0]}[{place[1]}]"


def _name(words: Mapping[str, Any]) -> str:
    """The name that an operation is about."""
    found = words.get("to", words.get("from"))
    return found if isinstance(found, str) else ""


def _open_questions(body: Mapping[str, Any]) -> Iterator[_Wrong]:
    asked = ((_path(place), words) for place, words in _listed(body) if "todo" in words)
    for path, words in (*([("$", body)] if "todo" in body else []), *asked):
        yield _Wrong(
            name="TODO_UNRESOLVED",
            message=f"still to do: {words['todo']}",
            path=f"{path}.todo",
            hint="decide, and remove `todo`",
            metric=_name(words) if words is not body else "",
        )


def _unsaid(body: Mapping[str, Any]) -> Iterator[_Wrong]:
    for place, words in _listed(body):
        kind, reason = words.get("op"), words.get("reason")
        if kind == "redefine" and not (isinstance(reason, str) and reason.strip()):
            yield _Wrong(
                name="REDEFINE_NO_REASON",
                message=f"redefine of {_name(words)} without a reason",
                path=_path(place),
                hint='say why the values do not compare: "reason": "..."',
                metric=_name(words),
            )
        if kind == "default" and place[0] == "metrics":
            yield _Wrong(
                name="METRIC_DEFAULT_ASSUMED",
                message=f"default for the metric {_name(words)}: nobody measured it",
                path=_path(place),
                hint="leave it missing",
                metric=_name(words),
            )


def _form(what: str, body: Mapping[str, Any]) -> Iterator[_Wrong]:
    for fault in formats.check("migration", body, file=what):
        value = f" = {fault.value}" if fault.value else ""
        yield _Wrong(
            name="MIGRATION_INVALID",
            message=f"{fault.path}{value}: {fault.rule}",
            path=fault.path,
            hint=fault.hint,
        )
    count = sum(len(body[part]) for part in _PARTS if isinstance(body.get(part), list))
    if count > MAX_OPERATIONS:
        message = f"{count} operations, the limit is {MAX_OPERATIONS}"
        yield _Wrong(name="MIGRATION_INVALID", message=message, hint="split it into several files")


def _locks(body: Mapping[str, Any]) -> Iterator[_Wrong]:
    """What `defs` holds is what the ids say, and `from` and `to` name nothing else."""
    locks = body["defs"]
    for did, fields in locks.items():
        if not proves(did, fields):
            hint = f"its id is {unlock(fields).did}; `ledger schema migrate` fills this in"
            message = f"the definition of {fields['name']} is not {did}"
            yield _Wrong(name="DEF_HASH_MISMATCH", message=message, path=f"$.defs['{did}']", hint=hint)
    for side in ("from", "to"):
        for part in _PARTS:
            for name, did in body[side].get(part, {}).items():
                fields = locks.get(did, {})
                role = fields.get("role", "metric")
                if fields.get("name") != name or f"{role}s" != part:
                    message = f"{did} in `{side}` is not a definition of {name} in `defs`"
                    path = f"$.{side}.{part}"
                    yield _Wrong(name="DEF_HASH_MISMATCH", message=message, path=path, metric=name)


def _edges(body: Mapping[str, Any], conversion: Conversion) -> tuple[list[Edge], list[_Wrong]]:
    edges: list[Edge] = []
    wrongs: list[_Wrong] = []
    sides = {
        part: [Side(title, body[title].get(part, {}), body["defs"]) for title in ("from", "to")]
        for part in _PARTS
    }
    for place, words in _listed(body):
        before, after = sides[place[0]]
        try:
            edges.append(OPERATIONS[words["op"]].lower(Operation(words, before, after, conversion)))
        except OperationError as error:
            wrongs.append(_of_operation(error, words, _path(place)))
    return edges, wrongs


def _of_operation(error: OperationError, words: Mapping[str, Any], path: str) -> _Wrong:
    return _Wrong(
        name=error.name,
        message=f"{words['op']} of {_name(words)}: {error.message}",
        path=f"{path}.{error.key}" if error.key else path,
        hint=error.hint,
        metric=_name(words),
    )


def _duplicates(body: Mapping[str, Any]) -> Iterator[_Wrong]:
    seen: dict[tuple[str, str], _Place] = {}
    for place, words in _listed(body):
        first = seen.setdefault((place[0], words["to"]), place) if "to" in words else place
        if first != place:
            yield _Wrong(
                name="OP_DUPLICATE_TARGET",
                message=f"a second operation makes {words['to']}, the first is {_path(first)}",
                path=_path(place),
                hint="one name that took over from several is a `coalesce`",
                metric=words["to"],
            )


def _identity(body: Mapping[str, Any], edges: Sequence[Edge]) -> Iterator[_Wrong]:
    stated = body.get("id")
    if stated is not None and not is_hash(stated, _content(body, edges)):
        yield _Wrong(
            name="MIGRATION_ID_MISMATCH",
            message="the operations were changed after the id was written",
            path="$.id",
            hint=f"if the change is meant, write {_id(body, edges)} and the old id into `supersedes`",
        )


def _id(body: Mapping[str, Any], edges: Sequence[Edge]) -> str:
    return hash_of("m1", _content(body, edges))


def _content(body: Mapping[str, Any], edges: Sequence[Edge]) -> Json:
    """What a migration does, with ids in place of names and in an order of its own."""
    listed = (words for _, words in _listed(body))
    done = [lowered(words, edge) for words, edge in zip(listed, edges, strict=True)]
    return ["migration", FORMAT, [*sorted(done, key=by_target)]]
