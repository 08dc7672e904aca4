"""Schemas and what they find wrong, in short."""

from __future__ import annotations

from typing import Any

from ledger import canonical
from ledger.model import Fault, Json
from ledger.schema import document
from ledger.schema.document import Schema


def schema_of(
    metrics: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    **more: Any,
) -> Schema:
    body = {
        "$schema": document.DIALECT,
        "properties": {"params": {"properties": params or {}}, "metrics": {"properties": metrics or {}}},
        **more,
    }
    return document.parse(canonical.dumps(body), name="test", what="test.json")


def faults_of(
    schema: Schema, metrics: dict[str, Any] | None = None, params: dict[str, Json] | None = None
) -> tuple[Fault, ...]:
    return document.validate(schema, params or {}, metrics or {}, origin=lambda part, name: f"{part}/{name}")
