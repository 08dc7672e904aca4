"""The commit message of a record: a subject for people, trailers for tools."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ledger.model import Metric, Record

_SHOWN = 3
_SUBJECT = 100


def commit_message(item: Record) -> str:
    """`main: f1 0.912 loss 0.31 (finished)` and the trailers Ledger-Run, -Record, -Code, -Schema."""
    run = item.run
    shown = run.reason if run.base and run.reason else _metrics(item.metrics)
    mark = "edited" if run.base else run.status.value
    subject = " ".join(part for part in (f"{_line(run.experiment)}:", _line(shown), f"({mark})") if part)
    trailers = [("Ledger-Run", run.id), ("Ledger-Record", run.record)]
    if run.code:
        trailers.append(("Ledger-Code", run.code.commit + (" dirty" if run.code.dirty else "")))
    if run.schema:
        label = f"@{_line(run.schema.version)}" if run.schema.version else ""
        trailers.append(("Ledger-Schema", _line(run.schema.name) + label))
    return f"{subject}\n\n" + "".join(f"{key}: {value}\n" for key, value in trailers)


def _metrics(metrics: Mapping[str, Metric]) -> str:
    return " ".join(f"{name} {_number(metrics[name])}" for name in list(metrics)[:_SHOWN])


def _number(value: Metric) -> str:
    if value is None:
        return "null"
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def _line(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain if len(plain) <= _SUBJECT else plain[: _SUBJECT - 1] + "…"
