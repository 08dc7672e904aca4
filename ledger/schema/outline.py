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

from ledger.schema.normal_form import Import, Normal, Use, normal

MAX_SOURCE_BYTES = 1 << 20

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#.*)?$")
_ENCODINGS = re.compile(
    r"utf-?8(-sig)?|(us-)?ascii|latin-?1|iso-?8859-?\d{1,2}|cp\d{3,4}|windows-\d{4}|koi8-[ru]"
    r"|gb2312|gbk|gb18030|big5|euc-(jp|kr)|shift-jis"
)
"""Python knows others, some of which are programs of their own (`idna`, `unicode_escape`)."""


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


@dataclass(slots=True)
class _Draft:
    """An outline in the making."""

    names: dict[str, list[Piece]] = field(default_factory=dict)
    imports: dict[str, list[Import]] = field(default_factory=dict)
    stars: list[Import] = field(default_factory=list)
    loose: list[tuple[tuple[str, ...], Piece]] = field(default_factory=list)
    """Statements that bind nothing, each with the names that it touches."""

    def done(self) -> Outline:
        rest = []
        for touched, piece in self.loose:
            owners = [self.names[name] for name in touched if name in self.names]
            for pieces in owners:
                pieces.append(piece)
            if not owners:
                rest.append(piece)
        return Outline(
            names={name: tuple(pieces) for name, pieces in self.names.items()},
            imports={name: tuple(imports) for name, imports in self.imports.items()},
            stars=tuple(self.stars),
            rest=tuple(rest),
        )


@dataclass(slots=True)
class Outliner:
    """Reads files. Most versions of a file share most statements: each distinct one is reduced once."""

    files: int = 0
    """How many have been parsed."""
    _known: dict[bytes, Normal] = field(default_factory=dict)

    def read(self, data: bytes, qualname: str = "") -> Outline | Opaque:
        """The outline of a file; the members of the classes that lead to `Class.method` are told apart."""
        try:
            return self._read(data, qualname)
        except (SyntaxError, ValueError) as error:
            said = getattr(error, "msg", None) or str(error)
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            return opaque(f"not Python that can be read: {said}{line}", data)
        except (RecursionError, MemoryError):
            return opaque("nested too deeply", data)

    def _read(self, data: bytes, qualname: str) -> Outline | Opaque:
        if len(data) > MAX_SOURCE_BYTES:
            return opaque(f"larger than {MAX_SOURCE_BYTES >> 20} MiB", data)
        text = _decoded(data)
        self.files += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a stranger's escapes, not for whoever reads them
            module = ast.parse(text)
        reader = _File(self, text.encode("utf-8", "surrogatepass").split(b"\n"))
        draft = _Draft()
        for statement, guards in _statements(module.body, ()):
            reader.take(draft, statement, guards)
            if isinstance(statement, ast.ClassDef):
                reader.split(draft, statement, "", qualname)
        return draft.done()

    def reduced(self, text: bytes, node: ast.stmt | ast.expr) -> Normal:
        """The normal form of a node, by its text."""
        key = hashlib.sha256(text).digest()
        if key not in self._known:
            self._known[key] = normal(node)
        return self._known[key]


def opaque(reason: str, data: bytes) -> Opaque:
    """A file that counts by its bytes alone."""
    return Opaque(reason, hashlib.sha256(data).hexdigest())


@dataclass(slots=True)
class _File:
    outliner: Outliner
    lines: Sequence[bytes]

    def take(self, draft: _Draft, statement: ast.stmt, guards: Sequence[ast.expr]) -> None:
        found = self.reduced(statement)
        conditions = [self.reduced(guard) for guard in guards]
        pieces = [Piece(one.digest, one.uses) for one in (*conditions, found)]
        for name in found.binds:
            draft.names.setdefault(name, []).extend(pieces)
        for name, one in found.imports:
            draft.imports.setdefault(name, []).append(one)
        draft.stars.extend(found.stars)
        does_something = not isinstance(statement, (ast.Import, ast.ImportFrom, ast.Pass)) and not is_remark(
            statement
        )
        if not found.binds and does_something:
            draft.loose.extend((found.touches, piece) for piece in pieces)

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

    def split(self, draft: _Draft, node: ast.ClassDef, prefix: str, qualname: str) -> None:
        """Name the members of a class, down to the one that is asked for.

        A member counts with its class's decorators and bases, the members that it reads through `self`, and for an
        attribute that is no member those that set it.
        """
        owner = prefix + node.name
        if not qualname.startswith(owner + "."):
            return
        members: dict[str, list[Normal]] = {}
        for statement, _ in _statements(node.body, ()):
            found = self.reduced(statement)
            for name in found.binds:
                members.setdefault(name, []).append(found)
            if isinstance(statement, ast.ClassDef):
                self.split(draft, statement, owner + ".", qualname)
        head = [self.reduced(part) for part in (*node.decorator_list, *node.bases)]
        head += [self.reduced(keyword.value) for keyword in node.keywords]
        draft.names[owner + ".<class>"] = [Piece(one.digest, one.uses) for one in head]
        for name, normals in members.items():
            draft.names[f"{owner}.{name}"] = [_member(owner, members, one) for one in normals]
        if (
            (node.bases or node.keywords)
            and qualname not in draft.names
            and "." not in qualname[len(owner) + 1 :]
        ):
            draft.names[qualname] = [Piece("inherited", (Use((owner,)),))]


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


def is_remark(statement: ast.stmt) -> bool:
    """Whether a statement is a constant alone: a docstring."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


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
