"""Files of a project that can't be used: what is wrong with each, where, and under which code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ledger.errors import ConfigError
from ledger.schema.codes import finding
from ledger.schema.lines import conflict_line, line_of

if TYPE_CHECKING:
    from ledger.schema.codes import Finding

_PATH = re.compile(r"\$(?:\.[A-Za-z_]\w*|\[\d+\]|\['(?:[^'\\]|\\.)*'\])*")
_LINE = re.compile(r"\bat line (\d+)\b")


def schema(error: ConfigError, data: bytes, *, what: str, file: str) -> tuple[Finding, ...]:
    """What is wrong with a schema file; `what` is its name in the error, `file` its path from the top."""
    return _findings(error, data, what, file, "SCHEMA_INVALID")


def units(error: ConfigError, data: bytes, *, file: str) -> tuple[Finding, ...]:
    """What is wrong with a file of units."""
    return _findings(error, data, file, file, "UNIT_UNREADABLE")


def _findings(error: ConfigError, data: bytes, what: str, file: str, name: str) -> tuple[Finding, ...]:
    if conflict := conflict_line(data):
        said = "a merge conflict is not resolved"
        return (finding(name, said, hint="keep one side", file=file, line=conflict),)
    if error.details:
        return tuple(_faults(error, data.decode("utf-8", "replace"), what, file, name))
    message = error.message.removeprefix(f"{what}: ")
    found = _LINE.search(message)
    return (finding(name, message, hint=error.hint, file=file, line=int(found[1]) if found else 1),)


def _faults(error: ConfigError, text: str, what: str, file: str, name: str) -> Iterator[Finding]:
    for detail in error.details:
        said = detail.removeprefix(f"{what}: ")
        path = _PATH.match(said)
        yield finding(name, said, file=file, line=line_of(text, path[0]) if path else None)
