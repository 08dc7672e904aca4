"""Definitions and the edges between them: which convert into one another, and whether all ways agree.

Definitions joined by invertible edges are one *frame*. In a coherent frame every way from one definition to another
is the same map; in one that is not, no way is trusted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ledger.schema.edges import Break, Hyper, Iso
from ledger.schema.frames import Frames
from ledger.schema.lowered import Migration
from ledger.schema.transform import Chain, Link, UnwieldyError, inverted, joined

if TYPE_CHECKING:
    from ledger.schema.codes import Finding
    from ledger.schema.plan import Step


class Arc(NamedTuple):
    """An invertible edge seen from one of its ends; `backward` follows it from its target to its source."""

    edge: Iso
    migration: Migration
    backward: bool

    @property
    def chain(self) -> Chain:
        link = joined((self.edge.link,))
        return inverted(link) if self.backward else link

    @property
    def end(self) -> str:
        return self.edge.source if self.backward else self.edge.target


Path = tuple[Arc, ...]


class Union:
    """Disjoint sets with path compression: which things hang together."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, item: str) -> str:
        parent = self._parent
        root = item
        while (above := parent.setdefault(root, root)) != root:
            root = above
        while parent[item] != root:
            parent[item], item = root, parent[item]
        return root

    def join(self, one: str, other: str) -> bool:
        """Whether they were apart until now."""
        first, second = self.find(one), self.find(other)
        self._parent[max(first, second)] = min(first, second)
        return first != second


class Graph:
    """All edges of some migrations, in their order; nothing that it answers depends on that order."""

    def __init__(self, migrations: Sequence[Migration]) -> None:
        self.migrations = tuple(migrations)
        self.hypers: list[tuple[Hyper, Migration]] = []
        self.breaks: list[tuple[Break, Migration]] = []
        self.steps: dict[tuple[int, bool], Step] = {}
        """What people are told of an edge that is followed, by its identity and whether backward."""
        self._isos: list[tuple[Iso, Migration]] = []
        self._frames = Frames()
        self._closing: list[tuple[Iso, Migration]] = []
        for migration in self.migrations:
            for edge in migration.edges:
                self._add(edge, migration)
        self.faults, self._incoherent = self._check()

    def _add(self, edge: Iso | Hyper | Break, migration: Migration) -> None:
        if isinstance(edge, Iso):
            self._isos.append((edge, migration))
            if not self._frames.join(edge.source, edge.link, edge.target):
                self._closing.append((edge, migration))
        elif isinstance(edge, Hyper):
            self.hypers.append((edge, migration))
        else:
            self.breaks.append((edge, migration))

    def frame(self, did: str) -> str:
        """One id for all definitions that convert into one another: the smallest of them."""
        return self._frames.name(did)

    @cached_property
    def members(self) -> Mapping[str, Sequence[str]]:
        """Definitions of each frame that has an invertible edge, sorted."""
        members: dict[str, list[str]] = {}
        for did in sorted({did for edge, _ in self._isos for did in (edge.source, edge.target)}):
            members.setdefault(self.frame(did), []).append(did)
        return members

    @cached_property
    def hypers_into(self) -> Mapping[str, Sequence[tuple[Hyper, Migration]]]:
        """Derivations by the frame of what they make."""
        into: dict[str, list[tuple[Hyper, Migration]]] = {}
        for hyper, migration in self.hypers:
            into.setdefault(self.frame(hyper.target), []).append((hyper, migration))
        return into

    @cached_property
    def newest(self) -> Mapping[str, str]:
        """The definition that each frame came to, by frame: one that no conversion leads on from, as late as may be."""
        started = {edge.source for edge, _ in self._isos}
        found: dict[str, str] = {}
        for edge, _ in self._isos:
            frame = self.frame(edge.target)
            if edge.target not in started or found.get(frame, edge.target) in started:
                found[frame] = edge.target
        return found

    def coherent(self, did: str) -> bool:
        return self.frame(did) not in self._incoherent

    def path(self, source: str, target: str) -> Path:
        """The shortest way between two definitions of one frame."""
        return _way(source, target, self._arcs.get(self.frame(source), {}))

    @cached_property
    def _arcs(self) -> Mapping[str, Mapping[str, Sequence[Arc]]]:
        """By frame, and by the definition that they lead on from."""
        arcs: dict[str, dict[str, list[Arc]]] = {}
        for edge, migration in self._isos:
            _both_ways(arcs.setdefault(self.frame(edge.source), {}), edge, migration)
        return arcs

    def _check(self) -> tuple[tuple[Finding, ...], frozenset[str]]:
        """Compare each edge that closes a circle with the way round: the first contradiction of each frame."""
        agreeing: set[Iso] = set()
        faults: list[Finding] = []
        incoherent: set[str] = set()
        for edge, migration in self._closing:
            if edge in agreeing or self.frame(edge.source) in incoherent:
                continue
            if self._frames.agrees(edge.source, edge.link, edge.target):
                agreeing.add(edge)
            else:
                faults.append(self._incoherence(edge, migration))
                incoherent.add(self.frame(edge.source))
        return tuple(faults), frozenset(incoherent)

    def _incoherence(self, edge: Iso, migration: Migration) -> Finding:
        from ledger.schema.codes import finding

        source, target = (migration.defs[did]["name"] for did in (edge.source, edge.target))
        others = _way(edge.source, edge.target, self._tree(self.frame(edge.source)))
        files = ", ".join(dict.fromkeys(arc.migration.file for arc in others)) or "leaving it out"
        said, found = _shown((edge.link,)), _shown(link for arc in others for link in arc.chain)
        return finding(
            "GRAPH_INCOHERENT",
            f"{migration.short} takes {source} to {target} by {said}, and {files} by {found}",
            metric=str(target),
            hint="one of them is wrong: correct it, and name its old id in `supersedes`",
            file=migration.file,
        )

    def _tree(self, frame: str) -> Mapping[str, Sequence[Arc]]:
        """One way between any two definitions of a frame: the edges that joined it."""
        over = {id(edge) for edge, _ in self._closing}
        tree: dict[str, list[Arc]] = {}
        for edge, migration in self._isos:
            if id(edge) not in over and self.frame(edge.source) == frame:
                _both_ways(tree, edge, migration)
        return tree


def _both_ways(arcs: dict[str, list[Arc]], edge: Iso, migration: Migration) -> None:
    arcs.setdefault(edge.source, []).append(Arc(edge, migration, False))
    arcs.setdefault(edge.target, []).append(Arc(edge, migration, True))


def _shown(links: Iterable[Link]) -> str:
    try:
        return " then ".join(map(str, joined(links))) or "no change"
    except UnwieldyError:
        return "more digits than can be followed"


def _way(source: str, target: str, arcs: Mapping[str, Sequence[Arc]]) -> Path:
    """The shortest way along some arcs; on a tree the only one."""
    came: dict[str, Arc | None] = {source: None}
    queue = deque([source])
    while queue and target not in came:
        for arc in arcs.get(queue.popleft(), ()):
            if arc.end not in came:
                came[arc.end] = arc
                queue.append(arc.end)
    return tuple(reversed(tuple(_back(target, came))))


def _back(did: str, came: Mapping[str, Arc | None]) -> Iterator[Arc]:
    while arc := came[did]:
        yield arc
        did = arc.edge.target if arc.backward else arc.edge.source


def in_order(migrations: Iterable[Migration]) -> tuple[Migration, ...]:
    """Each migration once, without those that others supersede, by file name: the order in which they were made.

    The order decides only which one of several that contradict each other is named.
    """
    once = {
        migration.id: migration
        for migration in sorted(migrations, key=lambda one: (one.file, one.id), reverse=True)
    }
    superseded = {old for migration in once.values() for old in migration.supersedes if old != migration.id}
    kept = (migration for migration in once.values() if migration.id not in superseded)
    return tuple(sorted(kept, key=lambda one: (one.file, one.id)))
