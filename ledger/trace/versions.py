"""Older versions of a schema, as people name them: a label (`3`), a label and digits of the id, or a name before those."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.errors import AmbiguousError, NotFoundError
from ledger.git import history
from ledger.schema.document import Schema
from ledger.trace import evolution
from ledger.trace.meaning import SCHEMAS
from ledger.trace.view import View


def called(view: View, name: str, text: str) -> Schema | None:
    """The schema `name` in the version that `text` names: `3`, `3@9a07d2c1`, `s1:9a07d2c1`, or `NAME@` before any of these.

    Versions are those of recorded runs and of the history of all branches. None where there is no such version.
    Raises AmbiguousError for a label that different schemas carry.
    """
    found = _matching(view, name, text)
    other, at, rest = text.partition("@")
    if not found and at:
        found = _matching(view, other, rest) or _matching(view, other, f"@{rest}")
    if len(found) > 1:
        labels = ", ".join(sorted(one.label for one in found.values()))
        raise AmbiguousError(f"{len(found)} schemas are called {text}", hint=f"name one of them: {labels}")
    return next(iter(found.values()), None)


def _matching(view: View, name: str, text: str) -> dict[str, Schema]:
    """By id; the schema of the work tree only if no other has this name."""
    found = {one.id: one for one in _known(view, name) if one.is_called(text)}
    current = view.schemas.get(name)
    if current and len(found) > 1:
        found.pop(current.id, None)
    return found


def _known(view: View, name: str) -> Iterator[Schema]:
    if name in view.schemas:
        yield view.schemas[name]
    names = dict(zip(view.schema_codes, view.runs.column("schema_name"), strict=True))
    yield from (schema for code, schema in enumerate(view.recorded_schemas) if schema and names[code] == name)
    yield from _of_history(view, name)


def _of_history(view: View, name: str) -> Iterator[Schema]:
    repository = view.workspace.repository
    try:
        span = history.resolve_range(repository, ("HEAD",), everything=True)
    except NotFoundError:  # no commit yet
        return
    commits = history.walk(repository, span, paths=(f"{SCHEMAS}/{name}.json",))
    for schemas in evolution.read(view.workspace, [one.id for one in commits]).values():
        if name in schemas:
            yield schemas[name]
