"""Under which schema a refused run is recorded: that of when it was measured, not that of when it is finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ledger.config import Workspace
from ledger.errors import ConfigError
from ledger.model import Run
from ledger.record.draft import Draft
from ledger.record.prepare import load_schema
from ledger.schema import document
from ledger.schema.definition import Definition
from ledger.schema.document import Schema
from ledger.store import codec
from ledger.store.rows import flatten
from ledger.store.sealed import Sealed

_AT_FAULT = (".ledger/schemas/", "no schema ")
"""How a refusal begins or speaks of a schema file that could not be used: then there is none in the sealed run."""


def then(sealed: Sealed, run: Run, draft: Draft) -> Draft:
    """The draft with the schema that was sealed with the run, unless another was named (`--schema`).

    Without one there was none, but where a file that could not be used was why the run was refused: mended, it counts.
    Raises ConfigError for what was sealed and can't be read.
    """
    if draft.schema is not None:
        return draft
    data, name = sealed.files.get(codec.SCHEMA), run.schema.name if run.schema else ""
    if data is None:
        return draft if any(word in sealed.message for word in _AT_FAULT) else replace(draft, unchecked=True)
    what = f"the schema {name} that was refused with the run"
    return replace(draft, frozen=document.parse(data, name=name, what=what))


def chosen(workspace: Workspace, draft: Draft) -> Draft:
    """The draft under the schema file of now where that says the same of every value: bounds may have been mended."""
    before = draft.frozen
    if before is None:
        return draft
    now = _now(workspace, before.name)
    if now and _alike(before, now, draft):
        return replace(draft, frozen=now)
    other = f"; --schema {before.name} takes {now.label}, that of now" if now else ""
    return replace(draft, checked_by=f"under {before.name} {before.label}, as it was measured{other}")


def _now(workspace: Workspace, name: str) -> Schema | None:
    try:
        return load_schema(workspace, name)
    except ConfigError:
        return None  # gone, or broken: what was sealed is whole


def _alike(before: Schema, now: Schema, draft: Draft) -> bool:
    """Whether both mean the same by everything that the run holds."""
    params = {**flatten(draft.params), **draft.params}
    return (_ids(before.metrics, draft.metrics), _ids(before.params, params)) == (
        _ids(now.metrics, draft.metrics),
        _ids(now.params, params),
    )


def _ids(declared: Mapping[str, Definition], names: Mapping[str, object]) -> dict[str, str]:
    return {name: declared[name].did for name in names if name in declared}
