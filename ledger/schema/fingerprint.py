"""The fingerprint of a metric's implementation: its code, and all code of the same repository that it uses.

Two fingerprints with one value are of code that does the same, wherever it stands: paths don't count, so that a
moved file is no change. What comes from elsewhere counts by its dotted name. Not seen: what is looked up at run
time (`getattr`, plugins, configuration), compiled code, symbolic links and submodules.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from ledger.errors import ConfigError
from ledger.schema.normal_form import Import, Use, digest
from ledger.schema.outline import Opaque, Outline, Piece

DIRECTORY = "directory"
"""What `Files.look` says of a folder: which one does not matter."""

MAX_PARTS = 2000
MAX_DEPTH = 100
"""Of the folders that a source lies in."""
MAX_HOPS = 40
"""From a name to its definition, through files that import it from one another."""

Node: TypeAlias = tuple[str, str]
"""(path, name in that file); no name: the whole file; no path: an import from elsewhere, by its dotted name."""

_BUILTINS = frozenset(dir(builtins))
_EXAMPLE = '"source": "eval/metrics.py:f1"'


@dataclass(frozen=True, slots=True)
class Source:
    """Where a metric is implemented: `path/to/file.py:function` or `...:Class.method`."""

    path: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`value` identifies the implementation; `parts` are what it is made of, each with a hash, to say what changed."""

    value: str
    parts: Mapping[Node, str] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why there is no fingerprint."""

    reason: str
    settled: bool = True
    """Whether it stays so: a missing object may be fetched later."""


Found: TypeAlias = Fingerprint | Unknown


@dataclass(frozen=True, slots=True)
class PartChange:
    """One part in which two fingerprints differ: how is `changed`, `added` or `removed`."""

    path: str
    """Empty for an import from elsewhere."""
    name: str
    """Empty for a whole file."""
    how: str

    def __str__(self) -> str:
        sign = {"added": "+ ", "removed": "- "}.get(self.how, "")
        if not self.path:
            return f"{sign}import {self.name}"
        return f"{sign}{self.name} in {self.path}" if self.name else f"{sign}{self.path}"


class Files(Protocol):
    """The files of one state of a repository."""

    def look(self, path: str) -> str | None:
        """What identifies a file's content, or `DIRECTORY`; None where nothing of this name is."""

    def outline(self, content: str, qualname: str) -> Outline | Opaque:
        """Read a file by what identifies its content."""


def parse_source(text: str) -> Source:
    """Read the `source` of a definition. Raises ConfigError."""
    path, colon, name = text.rpartition(":")
    name = name.replace(".<locals>", "")
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") and part.isprintable() for part in parts) and "\\" not in path
    if (
        not colon
        or not plain
        or len(parts) > MAX_DEPTH
        or not all(part.isidentifier() for part in name.split("."))
    ):
        raise ConfigError(f"source {text!r}: not of the form path:function", hint=f"for example {_EXAMPLE}")
    if not path.endswith(".py"):
        raise ConfigError(
            f"source {text!r}: not a Python file", hint=f"drift is found in .py files only: {_EXAMPLE}"
        )
    return Source(path, name)


def fingerprint(files: Files, source: Source) -> Found:
    """Fingerprint what `source` names, with all that it uses, in one state of a repository."""
    try:
        return _Closure(files, source).result()
    except _TooFarError:
        return Unknown(f"{source}: its imports lead too far")


def difference(older: Fingerprint, newer: Fingerprint) -> tuple[PartChange, ...]:
    """Parts in which two fingerprints differ; a part that only moved to another file is none."""
    changed = [node for node, part in newer.parts.items() if older.parts.get(node, part) != part]
    added = {node: part for node, part in newer.parts.items() if node not in older.parts}
    removed = {node: part for node, part in older.parts.items() if node not in newer.parts}
    for node in sorted(node for node in added if all(node)):
        # Of several places that a part of this name is gone from, the one where it was the same.
        was = [other for other in removed if other[0] and other[1] == node[1]]
        was.sort(key=lambda other: (removed[other] != newer.parts[node], other))
        if was and added.pop(node) != removed.pop(was[0]):
            changed.append(node)
    kinds = (("changed", changed), ("added", list(added)), ("removed", list(removed)))
    return tuple(PartChange(*node, how) for how, nodes in kinds for node in sorted(nodes))


class _TooFarError(Exception):
    """A name is imported from file to file without an end."""


class _Closure:
    """Follows names from one place to all that they lead to."""

    def __init__(self, files: Files, source: Source) -> None:
        self._files = files
        self._source = source
        self._looked: dict[str, str | None] = {}
        self._outlines: dict[str, Outline | Opaque] = {}
        self._roots_of: dict[str, tuple[str, ...]] = {}
        self._found: dict[tuple[str, str, tuple[str, ...]], list[Node]] = {}
        self._hops = 0

    def result(self) -> Found:
        path, name = self._source.path, self._source.name
        if not self._is_file(path):
            return Unknown(f"{path} is not there")
        outline = self._outline(path)
        if isinstance(outline, Opaque):
            return Unknown(f"{path}: {outline.reason}")
        known = "." not in name or name in outline.names
        roots = self._find(path, name, ()) if known else []
        return self._all_from(roots) if roots else Unknown(f"{path} has no {name}")

    def _all_from(self, roots: list[Node]) -> Found:
        """Number all nodes in the order in which they are come upon, and hash what each is and leads to."""
        numbers = {node: number for number, node in enumerate(dict.fromkeys(roots))}
        lines: list[tuple[str, list[list[int]]]] = []
        parts: dict[Node, str] = {}
        queue = list(numbers)
        for node in queue:  # grows as it goes
            own, uses = self._content(node)
            targets = [self._targets(node[0], use) for use in uses]
            for target in (one for group in targets for one in group if one not in numbers):
                if target not in numbers:
                    numbers[target] = len(numbers)
                    queue.append(target)
            if len(numbers) > MAX_PARTS:
                return Unknown(f"it uses more than {MAX_PARTS:,} definitions")
            lines.append((own, [[numbers[one] for one in group] for group in targets]))
            parts[node] = digest(f"{own} {[[name for _, name in group] for group in targets]!r}")
        text = json.dumps([len(roots), lines], separators=(",", ":"))
        return Fingerprint(f"f1:{hashlib.sha256(text.encode()).hexdigest()}", parts)

    def _outline(self, path: str) -> Outline | Opaque:
        if path not in self._outlines:
            members_of = self._source.name if path == self._source.path else ""
            self._outlines[path] = self._files.outline(self._look(path) or "", members_of)
        return self._outlines[path]

    def _content(self, node: Node) -> tuple[str, list[Use]]:
        path, name = node
        if not path:
            return f"import {name}", []
        outline = self._outline(path)
        if isinstance(outline, Opaque):
            return outline.digest, []
        pieces = outline.names[name] if name else tuple(_whole(outline))
        uses = dict.fromkeys(use for piece in pieces for use in piece.uses)
        return " ".join(piece.digest for piece in pieces), list(uses)

    def _targets(self, path: str, use: Use) -> list[Node]:
        if use.imported is not None:
            return self._imported(path, use.imported, use.chain[1:])
        return self._find(path, use.chain[0], use.chain[1:])

    def _find(self, path: str, name: str, rest: tuple[str, ...]) -> list[Node]:
        """What a name at the top of a file stands for; `rest` are the attributes that are read from it."""
        key = (path, name, rest)
        if key not in self._found:
            if self._hops > MAX_HOPS:
                raise _TooFarError
            self._found[key] = []  # what a circle of imports finds when it comes back here
            self._hops += 1
            # Without repetitions: imports that fork again and again would double them each time.
            self._found[key] = list(dict.fromkeys(self._look_up(path, name, rest)))
            self._hops -= 1
        return self._found[key]

    def _look_up(self, path: str, name: str, rest: tuple[str, ...]) -> list[Node]:
        outline = self._outline(path)
        if isinstance(outline, Opaque):
            return [(path, "")]
        found = [(path, name)] if name in outline.names else []
        for imported in outline.imports.get(name, ()):
            found += self._imported(path, imported, rest)
        return found or self._starred(path, outline, (name, *rest))

    def _starred(self, path: str, outline: Outline, chain: tuple[str, ...]) -> list[Node]:
        found: list[Node] = []
        elsewhere: list[Node] = []
        for star in outline.stars:
            stem = self._stem(path, star)
            file = None if stem is None else self._file(stem)
            if file is None:
                elsewhere.append(("", star.dotted))
            else:
                found += self._find(file, chain[0], chain[1:])
        # Any name that nothing else explains may come from a star import from elsewhere.
        return found or ([] if chain[0] in _BUILTINS else elsewhere)

    def _imported(self, path: str, imported: Import, rest: tuple[str, ...]) -> list[Node]:
        stem = self._stem(path, imported)
        chain = rest if imported.name is None else (imported.name, *rest)
        found = [] if stem is None else self._member(stem, chain)
        return found or [("", imported.dotted)]

    def _member(self, stem: str, chain: tuple[str, ...]) -> list[Node]:
        """What `module.a.b` stands for: a name in the module, a module inside it, else the module as a whole."""
        while True:
            file = self._file(stem)
            found = self._find(file, chain[0], chain[1:]) if file is not None and chain else []
            inner = posixpath.join(stem, chain[0]) if chain else ""
            if found or not inner or not self._is_module(inner):
                return found or ([] if file is None else [(file, "")])
            stem, chain = inner, chain[1:]

    def _stem(self, path: str, imported: Import) -> str | None:
        """Path of a module, without its ending; None for one from elsewhere."""
        inside = imported.module.replace(".", "/")
        if imported.level:
            folders = posixpath.dirname(path).split("/") if "/" in path else []
            up = imported.level - 1
            if up > len(folders):
                return None
            return "/".join((*folders[: len(folders) - up], *([inside] if inside else ())))
        stems = [posixpath.join(root, inside) for root in self._roots(posixpath.dirname(path))]
        modules = [stem for stem in stems if self._is_module(stem)]
        # A package before a mere folder of the same name, as Python has it.
        return next((stem for stem in modules if self._file(stem)), modules[0] if modules else None)

    def _roots(self, folder: str) -> tuple[str, ...]:
        """Folders that absolute imports of a file start from: that of its package, the top, `src`, those above."""
        if folder not in self._roots_of:
            package = folder
            while package and self._look(f"{package}/__init__.py") is not None:
                package = posixpath.dirname(package)
            self._roots_of[folder] = tuple(dict.fromkeys((package, "", "src", *_above(package))))
        return self._roots_of[folder]

    def _is_module(self, stem: str) -> bool:
        return self._look(stem) == DIRECTORY or self._is_file(f"{stem}.py")

    def _file(self, stem: str) -> str | None:
        inside = posixpath.join(stem, "__init__.py")
        if (not stem or self._look(stem) == DIRECTORY) and self._is_file(inside):
            return inside
        return f"{stem}.py" if stem and self._is_file(f"{stem}.py") else None

    def _is_file(self, path: str) -> bool:
        return self._look(path) not in (None, DIRECTORY)

    def _look(self, path: str) -> str | None:
        if path not in self._looked:
            self._looked[path] = self._files.look(path)
        return self._looked[path]


def _whole(outline: Outline) -> Iterator[Piece]:
    for pieces in outline.names.values():
        yield from pieces
    yield from outline.rest
    for name in outline.imports:
        yield Piece("", (Use((name,)),))


def _above(folder: str) -> list[str]:
    """The folders that a folder is in, the nearest first."""
    parts = folder.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
