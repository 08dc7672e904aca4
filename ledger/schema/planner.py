"""How a plan comes about: the best way through the graph, written down as a program and as steps for people."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ledger.model import Grade
from ledger.schema.definition import Definition, undeclared
from ledger.schema.derivation import Ways, best, relevant
from ledger.schema.differences import differences
from ledger.schema.edges import Break, Cast, Coalesce, Default, Derive, Edge, Hyper, Iso, Lookup
from ledger.schema.graph import Graph, Path
from ledger.schema.instructions import Assume, Change, Compute, Convert, Either, Instruction
from ledger.schema.lowered import Migration
from ledger.schema.native import Recorded
from ledger.schema.plan import Gap, Plan, Read, Step
from ledger.schema.transform import UnwieldyError, joined

Known = Callable[[str], Definition]
"""Any definition of the graph by its id."""

_CONFLICT = Gap(Grade.UNDEFINED, "coalesce conflict: the alternatives differ")


def make(graph: Graph, known: Known, have: Recorded, target: Definition) -> Plan:
    """The plan for values of recorded definitions under a `target` that is none of them."""
    frames = relevant(graph, graph.frame(target.did))
    sources = _sources(graph, known, have, frames)
    ways = best(graph, frames, sources, graph.frame(target.did))
    if graph.frame(target.did) not in ways.costs:
        return _apart(graph, known, have, target)
    plan = _Writer(graph, known, ways, sources).plan(target, _fallback(have, target))
    return _with_recorded(graph, known, have, plan)


def _with_recorded(graph: Graph, known: Known, have: Recorded, plan: Plan) -> Plan:
    """A value that is computed from others may lack them where one stands recorded under an older definition."""
    if all(isinstance(one, (Read, Convert)) for one in plan.program) and plan.target.name in plan.sources:
        return plan
    recorded = _apart(graph, known, have, plan.target)
    if recorded.grade is not Grade.INCOMPARABLE or set(recorded.sources) <= set(plan.sources):
        return plan
    return replace(plan, instead=(recorded,))


def _fallback(have: Recorded, target: Definition) -> str | None:
    return target.name if target.name not in have.by_name else None


def _sources(
    graph: Graph, known: Known, have: Recorded, frames: frozenset[str]
) -> dict[str, tuple[Definition, ...]]:
    """What was recorded of each frame; bare names only where no declared definition is there."""
    found: dict[str, tuple[Definition, ...]] = {}
    for did in sorted(have.by_id):
        if (frame := graph.frame(did)) in frames:
            found[frame] = (*found.get(frame, ()), have.by_id[did])
    for frame in frames - found.keys():
        definitions = map(known, graph.members.get(frame, (frame,)))
        if bare := tuple(one for one in definitions if not one.declared and have.holds(one)):
            found[frame] = bare
    return found


@dataclass(slots=True)
class _Writer:
    """Writes the program, frame by frame in the order in which they were settled."""

    graph: Graph
    known: Known
    ways: Ways
    sources: Mapping[str, Sequence[Definition]]
    program: list[Instruction] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    """Definition → where its value stands."""
    steps: list[Step] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    doubt: str = ""
    """Why what was written is not to be trusted."""

    def plan(self, target: Definition, fallback: str | None) -> Plan:
        frame = self.graph.frame(target.did)
        needed = self._needed(target.did, frame)
        for settled in self.ways.costs:
            if settled in needed:
                self._frame(settled, sorted(needed[settled]))
        single = [one for ones in self.sources.values() for one in ones if one.name in self.names]
        known = {
            "target": target,
            "frame": frame,
            "steps": tuple(self.steps),
            "sources": tuple(sorted(self.names)),
            "fallback": fallback,
        }
        if frame in self.ways.ambiguous:
            self.doubt = "two derivations are equally good and differ: `ledger schema check`"
        if self.doubt:
            return Plan(**known, grade=Grade.AMBIGUOUS, reason=self.doubt)  # type: ignore[arg-type]
        return Plan(
            **known,  # type: ignore[arg-type]
            grade=self.ways.grade(frame),
            reason=_said(self.steps),
            source=single[0] if len(single) == 1 else None,
            program=tuple(self.program),
            fallback_first=not self.names,
        )

    def _needed(self, did: str, frame: str) -> dict[str, set[str]]:
        needed = {frame: {did}}
        for settled in reversed(self.ways.costs):
            if settled in needed and settled in self.ways.edges:
                for input_id in self.ways.used(self.ways.edges[settled][0], self.graph):
                    needed.setdefault(self.graph.frame(input_id), set()).add(input_id)
        return needed

    def _frame(self, frame: str, wanted: Sequence[str]) -> None:
        if frame in self.ways.edges:
            hyper, migration = self.ways.edges[frame]
            self.places[hyper.target] = self._derive(hyper, migration)
            for did in wanted:
                self.places[did] = self._convert(hyper.target, did)
            return
        sources = {one.did: one for one in self.sources[frame]}
        for did in wanted:
            used = [sources[did]] if did in sources else list(sources.values())
            self.places[did] = self._either([self._read(one, did) for one in used], used)

    def _read(self, source: Definition, did: str) -> int:
        self.names.add(source.name)
        if source.did not in self.places:
            self.places[source.did] = self._emit(Read(source.name))
        return self._convert(source.did, did)

    def _either(self, places: Sequence[int], sources: Sequence[Definition]) -> int:
        if len(places) == 1:
            return places[0]
        names = " and ".join(one.name for one in sources)
        return self._emit(Either(tuple(places), Gap(Grade.AMBIGUOUS, f"{names} were recorded and disagree")))

    def _convert(self, source: str, target: str) -> int:
        place = self.places[source]
        if source == target:
            return place
        if not self.graph.coherent(target):
            self.doubt = "migrations contradict each other: `ledger schema check`"
        path = self.graph.path(source, target)
        self.steps.extend(_followed(self.graph, self.known, path))
        try:
            chain = joined(link for arc in path for link in arc.chain)
        except UnwieldyError:
            self.doubt = "the exact factor has more digits than can be followed"
            return place
        return self._emit(Convert(place, chain)) if chain else place

    def _derive(self, hyper: Hyper, migration: Migration) -> int:
        used = self.ways.used(hyper, self.graph)
        places = tuple(self.places[did] for did in used)
        self.steps.append(_step(hyper, migration, self.known))
        function = hyper.function
        if isinstance(function, Derive):
            names = (self.known(did).name for did in used)
            return self._emit(Compute(function, tuple(zip(function.names, places, names, strict=True))))
        if isinstance(function, Coalesce):
            return self._emit(Either(places, _CONFLICT))
        if isinstance(function, Default):
            return self._emit(Assume(function))
        return self._emit(Change(places[0], function))

    def _emit(self, instruction: Instruction) -> int:
        self.program.append(instruction)
        return len(self.program) - 1


_ASSERTED = frozenset({"same", "default"})


def _step(edge: Edge, migration: Migration, known: Known, backward: bool = False) -> Step:  # noqa: FBT001, FBT002
    """An edge as it is followed, for people."""
    sources = edge.inputs if isinstance(edge, Hyper) else (edge.source,)
    target = edge.target or ""
    if backward:
        sources, target = (target,), sources[0]
    return Step(
        op=edge.op,
        sources=tuple(known(did).name for did in sources),
        target=known(target).name if target else "",
        does=_does(edge, backward=backward),
        backward=backward,
        reason=edge.reason,
        asserted=edge.op in _ASSERTED,
        migration=migration.id,
        file=migration.file,
    )


def _followed(graph: Graph, known: Known, path: Path) -> Iterator[Step]:
    """The steps of a way: versions that follow one another share most of theirs."""
    for arc in path:
        key = id(arc.edge), arc.backward
        step = graph.steps.get(key)
        if step is None:
            step = graph.steps[key] = _step(arc.edge, arc.migration, known, arc.backward)
        yield step


def _does(edge: Edge, *, backward: bool) -> str:
    if isinstance(edge, Iso):
        chain = joined((edge.link.inverse() if backward else edge.link,))
        return " then ".join(map(str, chain))
    if isinstance(edge, Break):
        return ""
    function = edge.function
    if isinstance(function, Derive):
        return function.text
    if isinstance(function, Lookup):
        return str(function.table)
    return {Cast: "cast", Default: "assumed", Coalesce: "whichever there is"}[type(function)]


def _said(steps: Sequence[Step]) -> str:
    words = (f"asserted: {step.reason}" if step.asserted else step.reason for step in steps)
    return "; ".join(dict.fromkeys(filter(None, words)))


def _apart(graph: Graph, known: Known, have: Recorded, target: Definition) -> Plan:
    """No way leads there: another definition of the name, or one that a break leads away from, or no definition."""
    around = _around(graph, target.did)
    same_name = have.by_name.get(target.name)
    if not target.declared:
        assert same_name is not None  # noqa: S101 - a bare name that nothing declares is native
        reason = f"recorded as d1:{same_name.short}, which is not declared here"
        return _raw(graph, target, same_name, reason)
    near = same_name or next((one for did in around if (one := _held(known, have, did))), None)
    if near is None:
        reason = f"recorded without a definition, wanted as d1:{target.short}"
        return _raw(graph, target, undeclared(target.name, target.role), reason)
    breaks = tuple(_step(edge, migration, known) for edge, migration in around.get(near.did, ()))
    reason = _parted(breaks) if breaks else _unexplained(graph, near, target)
    own, path, program = _within(graph, known, near)
    return Plan(
        target=target,
        grade=Grade.INCOMPARABLE,
        reason=reason,
        source=near,
        frame=graph.frame(near.did),
        own=own,
        own_steps=tuple(_followed(graph, known, path)),
        breaks=breaks,
        program=program,
        sources=(near.name,),
    )


def _held(known: Known, have: Recorded, did: str) -> Definition | None:
    """A definition that a schema declares, or a bare name that it leaves undeclared and a `same` speaks of."""
    if did in have.by_id:
        return have.by_id[did]
    one = known(did)
    return one if not one.declared and have.holds(one) else None


def _raw(graph: Graph, target: Definition, source: Definition, reason: str) -> Plan:
    """What was recorded, as it was recorded: there is nothing to compare it with."""
    return Plan(
        target=target,
        grade=Grade.UNDECLARED,
        reason=reason,
        source=source,
        frame=graph.frame(source.did),
        program=(Read(source.name),),
        sources=(source.name,),
    )


def _within(
    graph: Graph, known: Known, source: Definition
) -> tuple[Definition, Path, tuple[Instruction, ...]]:
    """The newest definition of a frame, and the way there; as it was recorded where no single exact map is the way."""
    read = Read(source.name)
    newest = graph.newest.get(graph.frame(source.did), source.did)
    if newest == source.did or not graph.coherent(source.did):
        return source, (), (read,)
    path = graph.path(source.did, newest)
    try:
        chain = joined(link for arc in path for link in arc.chain)
    except UnwieldyError:
        return source, (), (read,)
    return known(newest), path, (read, Convert(0, chain)) if chain else (read,)


def _parted(breaks: Sequence[Step]) -> str:
    reasons = tuple(dict.fromkeys(step.reason for step in breaks))
    steps = f"redefined in {len(breaks)} steps: " if len(breaks) > 1 else ""
    return steps + "; ".join(reasons)


def _unexplained(graph: Graph, recorded: Definition, target: Definition) -> str:
    ended = (edge.reason for edge, _ in graph.breaks if edge.source == recorded.did and edge.target is None)
    dropped = next((f"dropped: {reason}" for reason in ended), "no migration")
    return "; ".join((*differences(recorded, target), dropped))


def _around(graph: Graph, target: str) -> dict[str, tuple[tuple[Break, Migration], ...]]:
    """Definitions that conversions and breaks lead to, nearest first, each with the breaks that lie between."""
    across: dict[str, list[tuple[Break, Migration]]] = {}
    for edge, migration in graph.breaks:
        if edge.target is not None:
            for did in (edge.source, edge.target):
                across.setdefault(graph.frame(did), []).append((edge, migration))
    start = graph.frame(target)
    found: dict[str, tuple[tuple[Break, Migration], ...]] = {start: ()}
    queue = deque([start])
    while queue:
        frame = queue.popleft()
        for edge, migration in across.get(frame, ()):
            for end in (graph.frame(edge.source), graph.frame(edge.target or "")):
                if end not in found:
                    found[end] = ((edge, migration), *found[frame])
                    queue.append(end)
    return {did: path for frame, path in found.items() for did in graph.members.get(frame, (frame,))}
