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
from ledger.schema.lowered import Migration
from ledger.schema.transform import Chain, Link, UnwieldyError, agree, inverted, joined

if TYPE_CHECKING:
    from ledger.schema.codes import Finding


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
        self._arcs: dict[str, list[Arc]] = {}
        self._frames = Union()
        self._closing: list[tuple[Iso, Migration]] = []
        self._over: set[int] = set()
        """Identities of the arcs that no tree of a frame needs."""
        for migration in self.migrations:
            for edge in migration.edges:
                self._add(edge, migration)
        self.faults, self._incoherent = self._check(self._tree())

    def _add(self, edge: Iso | Hyper | Break, migration: Migration) -> None:
        if isinstance(edge, Hyper):
            self.hypers.append((edge, migration))
        elif isinstance(edge, Break):
            self.breaks.append((edge, migration))
        else:
            there, back = Arc(edge, migration, False), Arc(edge, migration, True)
            self._arcs.setdefault(edge.source, []).append(there)
            self._arcs.setdefault(edge.target, []).append(back)
            if not self._frames.join(edge.source, edge.target):
                self._closing.append((edge, migration))
                self._over |= {id(there), id(back)}

    def _tree(self) -> Mapping[str, Sequence[Arc]]:
        """One way between any two definitions of a frame; nothing where no edge closes a circle."""
        if not self._closing:
            return {}
        return {did: [arc for arc in arcs if id(arc) not in self._over] for did, arcs in self._arcs.items()}

    def frame(self, did: str) -> str:
        """One id for all definitions that convert into one another: the smallest of them."""
        return self._frames.find(did)

    @cached_property
    def members(self) -> Mapping[str, Sequence[str]]:
        """Definitions of each frame that has an invertible edge, sorted."""
        members: dict[str, list[str]] = {}
        for did in sorted(self._arcs):
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
        isos = [edge for migration in self.migrations for edge in migration.edges if isinstance(edge, Iso)]
        started = {edge.source for edge in isos}
        found: dict[str, str] = {}
        for edge in isos:
            frame = self.frame(edge.target)
            if edge.target not in started or found.get(frame, edge.target) in started:
                found[frame] = edge.target
        return found

    def coherent(self, did: str) -> bool:
        return self.frame(did) not in self._incoherent

    def path(self, source: str, target: str) -> Path:
        """The shortest way between two definitions of one frame."""
        return _way(source, target, self._arcs)

    def _check(self, tree: Mapping[str, Sequence[Arc]]) -> tuple[tuple[Finding, ...], frozenset[str]]:
        """Compare each edge that closes a circle with the way round: the first contradiction of each frame."""
        maps: dict[str, Chain] = {}
        joins = _Joins()
        agreeing: set[Iso] = set()
        faults: list[Finding] = []
        incoherent: set[str] = set()
        for edge, migration in self._closing:
            if edge in agreeing or self.frame(edge.source) in incoherent:
                continue
            if self._agrees(Arc(edge, migration, False), maps, tree, joins):
                agreeing.add(edge)
            else:
                faults.append(self._incoherence(edge, migration, tree))
                incoherent.add(self.frame(edge.source))
        return tuple(faults), frozenset(incoherent)

    def _agrees(
        self, arc: Arc, maps: dict[str, Chain], tree: Mapping[str, Sequence[Arc]], joins: _Joins
    ) -> bool:
        """Whether an edge is what the tree says; `maps` grows by what had to be known for it."""
        edge = arc.edge
        try:
            if edge.source not in maps:
                maps |= _maps_from(self.frame(edge.source), tree, joins)
            return agree(joins.after(maps[edge.source], arc), maps[edge.target])
        except UnwieldyError:
            return False

    def _incoherence(self, edge: Iso, migration: Migration, tree: Mapping[str, Sequence[Arc]]) -> Finding:
        from ledger.schema.codes import finding

        source, target = (migration.defs[did]["name"] for did in (edge.source, edge.target))
        others = _way(edge.source, edge.target, tree)
        files = ", ".join(dict.fromkeys(arc.migration.file for arc in others)) or "leaving it out"
        said, found = _shown((edge.link,)), _shown(link for arc in others for link in arc.chain)
        return finding(
            "GRAPH_INCOHERENT",
            f"{migration.short} takes {source} to {target} by {said}, and {files} by {found}",
            metric=str(target),
            hint="one of them is wrong: correct it, and name its old id in `supersedes`",
            file=migration.file,
        )


def _shown(links: Iterable[Link]) -> str:
    try:
        return " then ".join(map(str, joined(links))) or "no change"
    except UnwieldyError:
        return "more digits than can be followed"


class _Joins:
    """Compositions that were made before, by what they were made of: metrics that change together share them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, bool], tuple[Chain, Link, Chain]] = {}
        """By identity, so each keeps alive what it was made of."""

    def after(self, chain: Chain, arc: Arc) -> Chain:
        """A chain and then an arc. Raises UnwieldyError."""
        link = arc.edge.link
        key = (id(chain), id(link), arc.backward)
        if key not in self._known:
            self._known[key] = (chain, link, joined((*chain, *arc.chain)))
        return self._known[key][2]


def _maps_from(root: str, tree: Mapping[str, Sequence[Arc]], joins: _Joins) -> dict[str, Chain]:
    """From `root` to every definition of its frame, along the tree."""
    maps: dict[str, Chain] = {root: ()}
    waiting = [root]
    while waiting:
        did = waiting.pop()
        for arc in tree.get(did, ()):
            end = arc.end
            if end not in maps:
                maps[end] = joins.after(maps[did], arc)
                waiting.append(end)
    return maps


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
