"""Tables as git prints them: no boxes, two spaces between columns, made line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import TypeAlias, cast

from ledger.frozen import frozen
from ledger.render.terminal import Style, Terminal, cut, escape, paint, width

GAP = "  "
ROWS_AT_ONCE = 1000
"""Widths are found over so many rows at a time, so that the first page appears at once."""

_WHOLE_PARTS = re.compile(r"^(?:\(?[+-]?\d+)?", re.MULTILINE)


class Align(Enum):
    LEFT = "left"
    RIGHT = "right"
    POINT = "point"
    """Numbers under one another by their decimal point."""


@frozen()
class Column:
    header: str
    align: Align = Align.LEFT
    shrink: int = 0
    """On a narrow terminal columns of words give way in this order, 1 first; 0 never.

    Ids and numbers keep 0: a part of one reads like another.
    """
    least: int = 8
    """The width below which a column does not shrink."""


@frozen()
class Cell:
    """Text from data, raw: it is escaped when it is shown."""

    text: str
    style: Style = ""
    mark: str = ""
    """A sign after the text (a grade), in a lane of its own."""
    mark_style: Style = ""


Row: TypeAlias = Sequence["Cell | str"]
"""One cell a column; text alone has no style."""


@frozen()
class Table:
    columns: tuple[Column, ...]
    rows: Iterable[Row]


_Cleaned: TypeAlias = "list[Cell | str]"


@frozen()
class _Lane:
    """Widths of one column: its header, its cells before the decimal point and from it on, its marks."""

    header: int = 0
    head: int = 0
    tail: int = 0
    mark: int = 0

    @property
    def text(self) -> int:
        return max(self.header, self.head + self.tail)

    @property
    def total(self) -> int:
        return self.text + (self.mark + 1 if self.mark else 0)

    def around(self, other: _Lane) -> _Lane:
        return _Lane(
            header=max(self.header, other.header),
            head=max(self.head, other.head),
            tail=max(self.tail, other.tail),
            mark=max(self.mark, other.mark),
        )

    def narrowed(self, columns: int) -> _Lane:
        return replace(self, header=min(self.header, columns), head=min(self.head, columns))


def render(table: Table, terminal: Terminal) -> Iterator[str]:
    """The table's lines, without line ends; the header first.

    Reads the rows once, as they are needed. On a tty too narrow for all columns those with `shrink` are cut.
    """
    lanes = [_Lane(header=width(_escaped(column.header, terminal))) for column in table.columns]
    rows = iter(table.rows)
    downs = _downs(rows, terminal)
    lanes = _grown(lanes, table.columns, downs)
    yield _header(table.columns, _places(lanes, table.columns, terminal), terminal)
    while downs:
        places = _places(lanes, table.columns, terminal)
        shown = [_down(cells, place, terminal) for cells, place in zip(downs, places, strict=True)]
        yield from (GAP.join(parts).rstrip(" ") for parts in zip(*shown, strict=True))
        downs = _downs(rows, terminal)
        lanes = _grown(lanes, table.columns, downs)


def aligned(rows: Iterable[Row], terminal: Terminal, *, point: int = -1) -> Iterator[str]:
    """Lines of cells under one another, without a header; `point` is the place of a column of numbers."""
    listed = list(rows)
    if listed:
        places = range(len(listed[0]))
        columns = (Column(header="", align=Align.POINT if at == point else Align.LEFT) for at in places)
        lines = render(Table(columns=tuple(columns), rows=listed), terminal)
        next(lines)
        yield from lines


def whole(cell: Cell | str) -> str:
    """A cell and its mark, for output that has no lanes."""
    return cell if isinstance(cell, str) else f"{cell.text} {cell.mark}".strip()


def _downs(rows: Iterator[Row], terminal: Terminal) -> list[_Cleaned]:
    """The next rows, cleaned, turned into columns; nothing where there are no more."""
    return [_clean(list(cells), terminal) for cells in zip(*islice(rows, ROWS_AT_ONCE), strict=True)]


def _escaped(text: str, terminal: Terminal) -> str:
    return escape(text, ascii_only=not terminal.unicode)


def _clean(cells: _Cleaned, terminal: Terminal) -> _Cleaned:
    if _is_plain([cell if isinstance(cell, str) else cell.text for cell in cells]):
        marks = {cell.mark for cell in cells if not isinstance(cell, str)}
        if all(_mark(mark, terminal.unicode) == mark for mark in marks):
            return cells
    return [
        _escaped(cell, terminal) if isinstance(cell, str) else _clean_cell(cell, terminal) for cell in cells
    ]


def _is_plain(cells: _Cleaned) -> bool:
    """Nothing but text in which every character takes one column and is safe: looked at all at once."""
    if not _are_texts(cells):
        return False
    text = "".join(cells)  # type: ignore[arg-type]
    return text.isascii() and text.isprintable()


def _are_texts(cells: _Cleaned) -> bool:
    return set(map(type, cells)) <= {str}


def _clean_cell(cell: Cell, terminal: Terminal) -> Cell:
    text, mark = _escaped(cell.text, terminal), _mark(cell.mark, terminal.unicode)
    return cell if text == cell.text and mark == cell.mark else replace(cell, text=text, mark=mark)


@lru_cache(maxsize=64)
def _mark(text: str, unicode: bool) -> str:  # noqa: FBT001 - a key of the cache
    """There are a few marks, and each stands on very many lines."""
    return escape(text, ascii_only=not unicode)


def _grown(lanes: list[_Lane], columns: tuple[Column, ...], downs: list[_Cleaned]) -> list[_Lane]:
    """The lanes, wide enough for these cells too."""
    return [
        lane.around(_measured(column, cells))
        for lane, column, cells in zip(lanes, columns, downs or [[]] * len(columns), strict=True)
    ]


def _measured(column: Column, cells: _Cleaned) -> _Lane:
    texts = _texts(cells)
    marks = () if texts is cells else {cell.mark for cell in cells if isinstance(cell, Cell)}
    mark = max(map(width, marks), default=0)
    measure = len if _is_plain([*texts]) else width
    if column.align is not Align.POINT:
        return _Lane(head=max(map(measure, texts), default=0), mark=mark)
    heads = _heads(texts)
    tails = [text[len(head) :] for head, text in zip(heads, texts, strict=True)]
    return _Lane(
        head=max(map(measure, heads), default=0), tail=max(map(measure, tails), default=0), mark=mark
    )


def _texts(cells: _Cleaned) -> list[str]:
    """Without marks; the same list where there are none."""
    if _are_texts(cells):
        return cast("list[str]", cells)
    return [cell if isinstance(cell, str) else cell.text for cell in cells]


def _heads(texts: Sequence[str]) -> list[str]:
    """Numbers, in parentheses or not, up to their decimal point; anything else whole. All at once: most of a table's time."""
    found = (
        _WHOLE_PARTS.findall("\n".join(texts)) if texts else []
    )  # text is escaped: it has no line ends of its own
    return [head or text for head, text in zip(found, texts, strict=True)]


def _fitted(lanes: list[_Lane], columns: tuple[Column, ...], terminal: Terminal) -> list[_Lane]:
    """Lanes that fit the terminal, as far as the columns that may shrink allow."""
    if not terminal.tty:
        return lanes
    shown = list(lanes)
    excess = sum(lane.total for lane in lanes) + len(GAP) * (len(lanes) - 1) - terminal.width
    for _, index in sorted((column.shrink, index) for index, column in enumerate(columns) if column.shrink):
        given = max(0, min(excess, shown[index].text - columns[index].least))
        shown[index] = shown[index].narrowed(shown[index].text - given)
        excess -= given
    return shown


@frozen(kw_only=False)
class _Place:
    """Where a cell goes: a column's alignment and its final widths."""

    align: Align
    text: int
    tail: int
    mark: int


def _places(lanes: list[_Lane], columns: tuple[Column, ...], terminal: Terminal) -> list[_Place]:
    fitted = _fitted(lanes, columns, terminal)
    return [
        _Place(column.align, lane.text, lane.tail, lane.mark)
        for column, lane in zip(columns, fitted, strict=True)
    ]


def _header(columns: tuple[Column, ...], places: list[_Place], terminal: Terminal) -> str:
    headers = (Cell(text=_escaped(column.header, terminal), style="header") for column in columns)
    right = (replace(place, align=Align.RIGHT) if place.align is Align.POINT else place for place in places)
    return _line(list(headers), list(right), terminal)


def _line(row: _Cleaned, places: list[_Place], terminal: Terminal) -> str:
    cells = [_cell(cell, place, terminal) for cell, place in zip(row, places, strict=True)]
    return GAP.join(cells).rstrip(" ")


def _down(cells: _Cleaned, place: _Place, terminal: Terminal) -> list[str]:
    """A column of cells, each as wide as the column."""
    if place.mark and not terminal.colour:
        return _marked_down(cells, place, terminal)
    if place.mark or not _is_plain(cells) or max(map(len, cells), default=0) > place.text:  # type: ignore[arg-type]
        return [_cell(cell, place, terminal) for cell in cells]
    texts = cast("list[str]", cells)
    if place.align is Align.LEFT:
        return [text.ljust(place.text) for text in texts]
    if place.align is Align.POINT:
        free = (place.tail - len(text) + len(head) for head, text in zip(_heads(texts), texts, strict=True))
        texts = [text + " " * count for text, count in zip(texts, free, strict=True)]
    return [text.rjust(place.text) for text in texts]


def _marked_down(cells: _Cleaned, place: _Place, terminal: Terminal) -> list[str]:
    """The same where there are marks and no colours: what each mark comes to is known for all its lines."""
    marks = ["" if isinstance(cell, str) else cell.mark for cell in cells]
    behind = {mark: f" {mark}{' ' * (place.mark - width(mark))}" for mark in set(marks)}
    shown = _down([*_texts(cells)], replace(place, mark=0), terminal)
    return [text + behind[mark] for text, mark in zip(shown, marks, strict=True)]


def _cell(cell: Cell | str, place: _Place, terminal: Terminal) -> str:
    if isinstance(cell, str):
        return _padded(cell, "", place, terminal) + (" " * (place.mark + 1) if place.mark else "")
    text = _padded(cell.text, cell.style, place, terminal)
    if not place.mark:
        return text
    return f"{text} {paint(cell.mark, cell.mark_style, terminal)}{' ' * (place.mark - width(cell.mark))}"


def _padded(text: str, style: Style, place: _Place, terminal: Terminal) -> str:
    taken = width(text)
    if taken > place.text:
        text = cut(text, place.text, ellipsis="…" if terminal.unicode else "...")
        taken = width(text)
    free = place.text - taken
    painted = paint(text, style, terminal) if style else text
    if place.align is Align.LEFT:
        return painted + " " * free
    after = place.tail - width(text[len(_heads([text])[0]) :]) if place.align is Align.POINT else 0
    return " " * (free - after) + painted + " " * after
