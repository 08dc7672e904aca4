"""The id of a schema: the hash of its definitions, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ledger.schema import document
from ledger.schema.document import Schema


def test_the_id_of_a_schema_is_the_hash_of_its_definitions() -> None:
    """As the ids of the definitions in it are vectors, so is this: `s1:` and sha256 of the RFC 8785 bytes of their list."""
    cases = json.loads((Path(__file__).parents[1] / "vectors" / "identity.json").read_bytes())["cases"]
    metrics = {case["name"]: case["same"][0] for case in cases}
    listed = ",".join(sorted(f'"{case["did"]}"' for case in cases))
    wanted = f"s1:{hashlib.sha256(f'[{listed}]'.encode()).hexdigest()}"
    assert wanted == "s1:71773351cfdb12fbafb80963408785b56f85904722352986c3c06b74df46e42e"
    one = _of(metrics)
    assert (one.id, one.short, one.label) == (wanted, wanted[:15], f"@{wanted[3:15]}")
    turned = {name: case["same"][-1] for name, case in reversed([(case["name"], case) for case in cases])}
    assert _of(turned).id == wanted, "order, prose and bounds are no part of it"
    assert _of({**metrics, "f1": cases[0]["different"][0]["schema"]}).id != wanted
    assert _of({**metrics, "more": {"type": "number"}}).id != wanted


def _of(metrics: dict[str, Any]) -> Schema:
    body = {"properties": {"metrics": {"properties": metrics}}}
    return document.parse(json.dumps(body).encode(), name="x", what="x.json")
