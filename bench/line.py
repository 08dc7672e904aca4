"""One line of the table: what was measured, the bar it is held to, and the floor beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What one command asks of the system; None where it could not be counted."""

    git: float | None = None
    fsyncs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`value` is what the bar is about: a time, a rate, a size, or the ratio to the floor."""

    what: str
    value: float
    unit: str
    bar: float | None = None
    at_least: bool = False
    """The bar is a lower bound."""
    median: str = ""
    """The measured median, as it is shown beside a ratio."""
    floor: str = ""
    """What the bare floor does, and its median."""
    ratio: float | None = None
    """Median of the ratios of each pair of neighbouring measurements."""
    calls: Calls = Calls()

    @property
    def holds(self) -> bool:
        if self.bar is None:
            return True
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


_HEADERS = ("what", "bar", "measured", "", "ratio to floor", "floor", "git", "fsyncs")


def table(lines: Sequence[Line]) -> str:
    rows = [_HEADERS, *(_cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADERS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cells(line: Line) -> tuple[str, ...]:
    sign = ">=" if line.at_least else "<="
    return (
        line.what,
        f"{sign} {_number(line.bar)} {line.unit}" if line.bar is not None else "",
        line.median or f"{_number(line.value)} {line.unit}",
        ("ok" if line.holds else "OVER") if line.bar is not None else "",
        f"{line.ratio:.2f}" if line.ratio is not None else "",
        line.floor,
        _count(line.calls.git),
        _count(line.calls.fsyncs),
    )


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def over(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if not line.holds]
