"""A Python file as an outline: what each name at its top is made of, what it imports, what else it does.

Files are strangers' files: what can't be read is opaque, with the reason, and still has a digest.
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ledger.schema.normal_form import Import, Normal, Use, normal

MAX_SOURCE_BYTES = 1 << 20
_MAX_PARTS = 4096
_MAX_KEPT = 100_000

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#.*)?$")
_ENCODINGS = re.compile(
    r"utf-?8(-sig)?|(us-)?ascii|latin-?1|iso-?8859-?\d{1,2}|cp\d{3,4}|windows-\d{4}|koi8-[ru]"
    r"|gb2312|gbk|gb18030|big5|euc-(jp|kr)|shift-jis"
)
"""Python knows others, some of which are programs of their own (`idna`, `unicode_escape`)."""

_STARTS = re.compile(
    rb'''
      """ (?: [^"\\]++ | \\. | "(?!"") )*+ (?:""")?
    | \'\'\' (?: [^'\\]++ | \\. | '(?!\'\') )*+ (?:\'\'\')?
    | " (?: [^"\\\n]++ | \\. )*+ "?+
    | ' (?: [^'\\\n]++ | \\. )*+ '?+
    | \# [^\n]*+
    | ^ (?P<start> (?! [ \t\f\n)\]}] | (?:else|elif|except|finally)\b ) . )
    ''',
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
"""Strings and comments, to be passed over, and the left edge of what may be a statement.

It may be wrong, which costs time and nothing else. Each part takes what it can and gives nothing back, so that no
text takes long.
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement that a name is made of."""

    digest: str
    uses: tuple[Use, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The top of a file. Members of a class that was asked for are names too: `Class.method`."""

    names: dict[str, tuple[Piece, ...]]
    imports: dict[str, tuple[Import, ...]]
    stars: tuple[Import, ...] = ()
    rest: tuple[Piece, ...] = ()
    """What binds no name."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A file that can't be read as Python."""

    reason: str
    digest: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """What one statement adds to an outline."""

    said: Normal
    pieces: tuple[Piece, ...]
    acts: bool = True
    """Whether it does something of its own: an import or a docstring does not."""


@dataclass(slots=True)
class Outliner:
    """Reads files. Most versions of a file share most of their text: each distinct part is parsed once."""

    files: int = 0
    """How many have been read."""
    parses: int = 0
    _parts: dict[tuple[bytes, str], tuple[_Entry, ...]] = field(default_factory=dict)
    _normals: dict[bytes, Normal] = field(default_factory=dict)

    def read(self, data: bytes, qualname: str = "") -> Outline | Opaque:
        """The outline of a file; the members of the classes that lead to `Class.method` are told apart."""
        self.files += 1
        if len(data) > MAX_SOURCE_BYTES:
            return opaque(f"larger than {MAX_SOURCE_BYTES >> 20} MiB", data)
        try:
            return _outline(self._entries(_decoded(data).encode(), qualname if "." in qualname else ""))
        except (SyntaxError, ValueError) as error:
            said = getattr(error, "msg", None) or str(error)
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            return opaque(f"not Python that can be read: {said}{line}", data)
        except (RecursionError, MemoryError):
            return opaque("nested too deeply", data)

    def _entries(self, text: bytes, members_of: str) -> list[_Entry]:
        try:
            return [entry for part in _cut(text) for entry in self._part(part, members_of)]
        except SyntaxError:
            # A part that parses alone means the same within its file; where one does not, the whole decides.
            return list(self._part(text, members_of))

    def _part(self, text: bytes, members_of: str) -> tuple[_Entry, ...]:
        key = (hashlib.sha256(text).digest(), members_of)
        if key not in self._parts:
            self.parses += 1
            if len(self._normals) > _MAX_KEPT:  # files like no others: what is kept must not grow without end
                self._normals.clear()
                self._parts.clear()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about a stranger's escapes, not for whoever reads them
                module = ast.parse(text.decode())
            self._parts[key] = tuple(_Part(self, text.split(b"\n")).entries(module, members_of))
        return self._parts[key]

    def reduced(self, text: bytes, node: ast.stmt | ast.expr) -> Normal:
        """The normal form of a node, by its text."""
        key = hashlib.sha256(text).digest()
        if key not in self._normals:
            self._normals[key] = normal(node)
        return self._normals[key]


def opaque(reason: str, data: bytes) -> Opaque:
    """A file that counts by its bytes alone."""
    return Opaque(reason, hashlib.sha256(data).hexdigest())


def _outline(entries: Sequence[_Entry]) -> Outline:
    names: dict[str, list[Piece]] = {}
    imports: dict[str, list[Import]] = {}
    rest: list[Piece] = []
    for entry in entries:
        for name in entry.said.binds:
            names.setdefault(name, []).extend(entry.pieces)
        for name, one in entry.said.imports:
            imports.setdefault(name, []).append(one)
    for entry in entries:
        if entry.acts and not entry.said.binds:
            owners = [names[name] for name in entry.said.touches if name in names]
            for pieces in owners or [rest]:
                pieces.extend(entry.pieces)
    return Outline(
        names={name: tuple(pieces) for name, pieces in names.items()},
        imports={name: tuple(found) for name, found in imports.items()},
        stars=tuple(star for entry in entries for star in entry.said.stars),
        rest=tuple(rest),
    )


def _cut(text: bytes) -> list[bytes]:
    """Cut a file where statements seem to start at its left edge; decorators stay with what they decorate."""
    starts = [found.start() for found in _STARTS.finditer(text) if found.lastgroup == "start"]
    cuts = (here for before, here in pairwise(starts) if text[before : before + 1] != b"@")
    places = (0, *cuts, len(text))
    return [text[one:other] for one, other in pairwise(places)] if len(places) < _MAX_PARTS else [text]


@dataclass(slots=True)
class _Part:
    """A parsed part of a file."""

    outliner: Outliner
    lines: Sequence[bytes]

    def entries(self, module: ast.Module, members_of: str) -> Iterator[_Entry]:
        for statement, guards in _statements(module.body, ()):
            said = self.reduced(statement)
            conditions = [self.reduced(guard) for guard in guards]
            yield _Entry(said, tuple(map(_piece, (*conditions, said))), _acts(statement))
            if isinstance(statement, ast.ClassDef):
                yield from self.members(statement, "", members_of)

    def reduced(self, node: ast.stmt | ast.expr) -> Normal:
        return self.outliner.reduced(self._text(node), node)

    def _text(self, node: ast.stmt | ast.expr) -> bytes:
        decorators = getattr(node, "decorator_list", ())
        first, column = (decorators[0].lineno, 0) if decorators else (node.lineno, node.col_offset)
        last, end = node.end_lineno or node.lineno, node.end_col_offset or 0
        if first == last:
            return self.lines[first - 1][column:end]
        middle = self.lines[first : last - 1]
        return b"\n".join((self.lines[first - 1][column:], *middle, self.lines[last - 1][:end]))

    def members(self, node: ast.ClassDef, prefix: str, wanted: str) -> Iterator[_Entry]:
        """Name the members of a class, and of classes in it, down to the one that is wanted.

        A member counts with its class's decorators and bases, the members that it reads through `self`, and for an
        attribute that is no member those that set it.
        """
        owner = prefix + node.name
        if not wanted.startswith(f"{owner}."):
            return
        members: dict[str, list[Normal]] = {}
        for statement, _ in _statements(node.body, ()):
            said = self.reduced(statement)
            for name in said.binds:
                members.setdefault(name, []).append(said)
            if isinstance(statement, ast.ClassDef):
                yield from self.members(statement, f"{owner}.", wanted)
        head = (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords))
        yield _named(f"{owner}.<class>", [_piece(self.reduced(part)) for part in head])
        for name, normals in members.items():
            yield _named(f"{owner}.{name}", [_member(owner, members, one) for one in normals])
        last = wanted.removeprefix(f"{owner}.")
        if (node.bases or node.keywords) and "." not in last and last not in members:
            yield _named(wanted, [Piece("inherited", (Use((owner,)),))])


def _piece(said: Normal) -> Piece:
    return Piece(said.digest, said.uses)


def _named(name: str, pieces: Sequence[Piece]) -> _Entry:
    return _Entry(Normal(digest="", uses=(), binds=(name,)), tuple(pieces))


def _member(owner: str, members: dict[str, list[Normal]], one: Normal) -> Piece:
    setters = [
        name
        for name, normals in members.items()
        if any((one.reads - members.keys()) & other.writes for other in normals)
    ]
    reached = [name for name in members if name in one.reads]
    own = (Use((f"{owner}.{name}",)) for name in ("<class>", *reached, *setters))
    # A class attribute is read by its bare name in the class body alone.
    bare = tuple(Use((f"{owner}.{use.chain[0]}",)) for use in one.uses if use.chain[0] in members)
    return Piece(one.digest, tuple(dict.fromkeys((*one.uses, *bare, *own))))


def _statements(
    body: Sequence[ast.stmt], guards: tuple[ast.expr, ...]
) -> Iterator[tuple[ast.stmt, tuple[ast.expr, ...]]]:
    """Statements of a file, each with the conditions that it stands under; `try` is seen through."""
    for statement in body:
        if isinstance(statement, ast.If):
            only_types = _is_type_checking(statement.test)
            inner = guards if only_types else (*guards, statement.test)
            yield from () if only_types else _statements(statement.body, inner)
            yield from _statements(statement.orelse, inner)
        elif isinstance(statement, (ast.Try, ast.TryStar)):
            blocks = (statement.body, *(one.body for one in statement.handlers), statement.orelse)
            for block in (*blocks, statement.finalbody):
                yield from _statements(block, guards)
        else:
            yield statement, guards


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _acts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    return not isinstance(statement, (ast.Import, ast.ImportFrom, ast.Pass))


def _decoded(data: bytes) -> str:
    """Text as Python would decode it, with Unix line ends. Raises ValueError (of which UnicodeDecodeError is one)."""
    encoding = _encoding(data)
    text = data.decode(encoding).removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> str:
    """The encoding that PEP 263 finds in the first two lines."""
    for line in re.split(rb"\r\n|\r|\n", data[:4096], maxsplit=2)[:2]:
        cookie = _COOKIE.match(line)
        if cookie:
            name = cookie[1].decode("ascii", "replace").lower().replace("_", "-")
            return _python_name(name)
        if not _BLANK.match(line):
            break
    return "utf-8"


def _python_name(name: str) -> str:
    for known in ("utf-8", "latin-1"):
        if name == known or name.startswith(f"{known}-"):
            return known  # `utf-8-unix`, as editors write it
    if not _ENCODINGS.fullmatch(name):
        raise ValueError(f"the encoding {name!r} is not one of text")
    return name
