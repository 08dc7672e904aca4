"""The best way to a definition from those that a schema recorded, over derivations as well as conversions.

A way is as good as its weakest step. Frames are settled best first (Knuth's generalisation of Dijkstra's algorithm to
steps with several inputs), so that the time is that of sorting the edges, circles end, and nothing is tried twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ledger.model import Grade
from ledger.schema.edges import Coalesce, Hyper
from ledger.schema.graph import Graph
from ledger.schema.lowered import Migration

Cost = tuple[int, int, int]
"""1 if anything approximate is on the way, the number of approximate edges, the number of edges (for each use)."""

_FREE: Cost = (0, 0, 0)


@dataclass(slots=True)
class Ways:
    """How each settled frame is reached, best first."""

    costs: dict[str, Cost] = field(default_factory=dict)
    edges: dict[str, tuple[Hyper, Migration]] = field(default_factory=dict)
    """The derivation into a frame; frames that were recorded have none."""
    ambiguous: set[str] = field(default_factory=set)
    """Frames that two different derivations reach equally well, and what is made of them."""

    def grade(self, frame: str) -> Grade:
        return Grade.APPROXIMATE if self.costs[frame][0] else Grade.EXACT

    def used(self, hyper: Hyper, graph: Graph) -> tuple[str, ...]:
        """The inputs of the derivation into a frame that count: all, or of a coalesce those that come before it."""
        if not isinstance(hyper.function, Coalesce):
            return hyper.inputs
        own = self.costs[graph.frame(hyper.target)]
        return tuple(did for did in hyper.inputs if self.costs.get(graph.frame(did), own) < own)


def relevant(graph: Graph, target: str) -> frozenset[str]:
    """Frames from which the target's may be derived, and that one."""
    found = {target}
    waiting = [target]
    while waiting:
        for hyper, _ in graph.hypers_into.get(waiting.pop(), ()):
            frames = {graph.frame(did) for did in hyper.inputs} - found
            found |= frames
            waiting.extend(frames)
    return frozenset(found)


def best(graph: Graph, frames: Collection[str], recorded: Collection[str], target: str) -> Ways:
    """The best ways from the `recorded` frames to `target`, among `frames` (see `relevant`)."""
    hypers = [pair for frame in sorted(frames) for pair in graph.hypers_into.get(frame, ())]
    consumers: dict[str, list[int]] = {}
    for index, (hyper, _) in enumerate(hypers):
        for frame in {graph.frame(did) for did in hyper.inputs}:
            consumers.setdefault(frame, []).append(index)
    waiting = [_awaited(hyper, graph) for hyper, _ in hypers]
    ways = Ways()
    heap = [(_FREE, frame, "", -1) for frame in recorded]
    heap += [
        (cost, graph.frame(hyper.target), hyper.text, index)
        for index, (hyper, _) in enumerate(hypers)
        if not hyper.inputs and (cost := _cost(hyper, (), ways))
    ]
    heapq.heapify(heap)
    while heap:
        cost, frame, _, index = heapq.heappop(heap)
        if frame in ways.costs:
            _compare(ways, frame, cost, hypers, index)
            continue
        if target in ways.costs and cost > ways.costs[target]:
            break
        ways.costs[frame] = cost
        if index >= 0:
            ways.edges[frame] = hypers[index]
        for push in _reached(frame, consumers, waiting, hypers, ways, graph):
            heapq.heappush(heap, push)
    _spread(ways, graph)
    return ways


def _awaited(hyper: Hyper, graph: Graph) -> int:
    return 1 if isinstance(hyper.function, Coalesce) else len({graph.frame(did) for did in hyper.inputs})


def _reached(
    frame: str,
    consumers: Mapping[str, list[int]],
    waiting: list[int],
    hypers: list[tuple[Hyper, Migration]],
    ways: Ways,
    graph: Graph,
) -> Iterator[tuple[Cost, str, str, int]]:
    """Derivations that have all they need now that `frame` is settled."""
    for index in consumers.get(frame, ()):
        waiting[index] -= 1
        hyper = hypers[index][0]
        if waiting[index] == 0 and (made := graph.frame(hyper.target)) not in ways.costs:
            inputs = (frame,) if isinstance(hyper.function, Coalesce) else map(graph.frame, hyper.inputs)
            yield _cost(hyper, inputs, ways), made, hyper.text, index


def _cost(hyper: Hyper, frames: Iterable[str], ways: Ways) -> Cost:
    costs = [ways.costs[frame] for frame in frames]
    approximate = int(hyper.grade is Grade.APPROXIMATE)
    return (
        max([approximate, *(cost[0] for cost in costs)]),
        approximate + sum(cost[1] for cost in costs),
        1 + sum(cost[2] for cost in costs),
    )


def _compare(ways: Ways, frame: str, cost: Cost, hypers: list[tuple[Hyper, Migration]], index: int) -> None:
    """A second way to a settled frame: as good, and not the same, is ambiguous."""
    equally_good = frame in ways.edges and cost == ways.costs[frame]
    if equally_good and not alike(hypers[index][0], ways.edges[frame][0]):
        ways.ambiguous.add(frame)


def alike(one: Hyper, other: Hyper) -> bool:
    """Whether two derivations do the same, wherever they are written."""
    same_ends = one.target == other.target and set(one.inputs) == set(other.inputs)
    return same_ends and one.text == other.text


def _spread(ways: Ways, graph: Graph) -> None:
    """What is made of something ambiguous is ambiguous too. Frames were settled in the order of use."""
    for frame, (hyper, _) in ways.edges.items():
        if any(graph.frame(did) in ways.ambiguous for did in ways.used(hyper, graph)):
            ways.ambiguous.add(frame)
