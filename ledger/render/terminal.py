"""What the output streams can show, and text made fit for them: escaped, measured, cut, coloured."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TextIO

from ledger.errors import UsageError
from ledger.frozen import frozen
from ledger.render.pager import pager_command

DEFAULT_WIDTH = 80

Style = Literal["", "header", "id", "good", "bad", "warn", "dim", "bold"]

_SGR: Mapping[Style, str] = {
    "header": "2;4",
    "id": "33",
    "good": "32",
    "bad": "31",
    "warn": "35",
    "dim": "2",
    "bold": "1",
}

_COLOUR_WORDS = {
    "always": True,
    "never": False,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
    "auto": None,
    "true": None,
    "yes": None,
    "on": None,
    "1": None,
}
"""The words of git's `color.ui`; None leaves it to the terminal."""

# C0, DEL, C1; invisible and direction-changing characters (Trojan Source, CVE-2021-42574); line separators;
# the byte order mark; lone surrogates; tag characters, which hide text inside text.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_LATIN_1, _BMP = 0xFF, 0xFFFF
_SEEN_CHARACTERS = 4096


@frozen()
class Terminal:
    """What standard output is: passed to whoever writes, never asked for again."""

    tty: bool = False
    width: int = DEFAULT_WIDTH
    """Columns; binding only on a tty."""
    colour: bool = False
    unicode: bool = True
    """Whether the stream's encoding holds every character."""
    pager: str = ""
    """The command that output goes through; empty for none."""


def detect(
    stdout: TextIO,
    environ: Mapping[str, str],
    *,
    color: str = "auto",
    color_ui: str | None = None,
    core_pager: str | None = None,
    paging: bool = True,
) -> Terminal:
    """The facts about `stdout`. `color` is the option's word, `color_ui` and `core_pager` git's configuration.

    Raises UsageError for a `color` that is none of auto, always and never.
    """
    tty = is_tty(stdout)
    return Terminal(
        tty=tty,
        width=_width(stdout, environ) if tty else DEFAULT_WIDTH,
        colour=wants_colour(tty, environ, color=color, color_ui=color_ui),
        unicode=holds_unicode(stdout),
        pager=pager_command(environ, core_pager) if tty and paging else "",
    )


def is_tty(stream: TextIO) -> bool:
    """False for a stream that is closed or has no file behind it, too."""
    try:
        return stream.isatty()
    except (ValueError, AttributeError):
        return False


def wants_colour(
    tty: bool,  # noqa: FBT001 - the one fact that the words refine
    environ: Mapping[str, str],
    *,
    color: str = "auto",
    color_ui: str | None = None,
) -> bool:
    """The option, then NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then `color.ui`, then the terminal."""
    if color not in ("auto", "always", "never"):
        raise UsageError(f"--color={color}: not a way to colour", hint="use auto, always or never")
    if color != "auto":
        return color == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    configured = _COLOUR_WORDS.get((color_ui or "auto").lower())
    return configured if configured is not None else tty and environ.get("TERM", "dumb") != "dumb"


def _width(stdout: TextIO, environ: Mapping[str, str]) -> int:
    columns = environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stdout.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError):
        return DEFAULT_WIDTH


def holds_unicode(stdout: TextIO) -> bool:
    """Whether a stream's encoding has every character."""
    encoding = getattr(stdout, "encoding", None) or ""
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "cp65001")


def escape(text: str, *, ascii_only: bool = False) -> str:
    r"""Text from data, safe to show on one line: control characters appear as `\x1b`, `\n`, `\u202e`.

    `ascii_only` shows every character beyond ASCII that way too, for streams that can't hold them.
    """
    if ascii_only and not text.isascii():
        text = text.encode("ascii", "backslashreplace").decode("ascii")
    if text.isascii() and text.isprintable():
        return text
    return UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    long = f"\\x{code:02x}" if code <= _LATIN_1 else f"\\u{code:04x}" if code <= _BMP else f"\\U{code:08x}"
    return _SHORT.get(character, long)


def paint(text: str, style: Style, terminal: Terminal) -> str:
    """`text` in a style, where there is colour."""
    if not (style and text and terminal.colour):
        return text
    return f"\x1b[{_SGR[style]}m{text}\x1b[m"


def width(text: str) -> int:
    """Columns that escaped text takes: 2 for wide characters and emoji, 0 for combining ones."""
    return len(text) if text.isascii() else _wide(text)


@lru_cache(maxsize=_SEEN_CHARACTERS)
def _wide(text: str) -> int:
    """Marks are the same on every line."""
    return sum(_widths(text))


def cut(text: str, columns: int, *, ellipsis: str = "…") -> str:
    """`text` in at most `columns` columns; an ellipsis stands for what is left out."""
    if width(text) <= columns:
        return text
    room = columns - len(ellipsis)
    kept = 0
    for taken in _widths(text):
        room -= taken
        if room < 0:
            break
        kept += 1
    return text[:kept] + ellipsis[: max(columns, 0)]


def _widths(text: str) -> list[int]:
    """Columns of each character in its place: what a joiner or a modifier attaches takes no more room."""
    widths: list[int] = []
    joined = False
    for character in text:
        own = _character_width(character)
        if joined or (_is_modifier(character) and widths and widths[-1] == 2):  # noqa: PLR2004 - wide
            own = 0
        elif character == "\ufe0f" and widths and widths[-1] == 1:
            own = 1  # asks for the emoji form of the character before, which is wide
        joined = character == "\u200d"
        widths.append(own)
    return widths


def _is_modifier(character: str) -> bool:
    """Skin tones, which colour the emoji before them."""
    return "\U0001f3fb" <= character <= "\U0001f3ff"


@lru_cache(maxsize=_SEEN_CHARACTERS)
def _character_width(character: str) -> int:
    if character.isascii():
        return 1
    import unicodedata

    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0  # Hangul medial and final jamo join the syllable before them
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
