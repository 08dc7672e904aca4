"""One value explained: what was recorded, every step that led to what is shown, and whose decision each step was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import GitError, NotFoundError, did_you_mean
from ledger.git.process import lines
from ledger.model import Grade, Json
from ledger.schema.plan import Plan, Step
from ledger.store.migrations import MIGRATIONS
from ledger.store.segment import METRICS
from ledger.trace import amended, disputes, meaning, targets
from ledger.trace.amended import Edit
from ledger.trace.find import one_run, row_of
from ledger.trace.meaning import Origin
from ledger.trace.runset import ABSENT, Conflict
from ledger.trace.view import MISSING, Cell, View

if TYPE_CHECKING:
    from ledger.schema.codes import Finding
    from ledger.schema.definition import Definition
    from ledger.schema.lineage import Renamed

_BRANCHES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a run has under one name; `definition` is None where its schema declares nothing."""

    name: str
    value: Json
    definition: Definition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One operation on the way, and the commit that brought its migration in; None: not committed."""

    step: Step
    origin: Origin | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`steps` lead to the value, `breaks` lie between where nothing does."""

    run_id: str
    metric: str
    target: Definition
    cell: Cell
    recorded: tuple[Recorded, ...]
    steps: tuple[Told, ...]
    breaks: tuple[Told, ...]
    own_steps: tuple[Told, ...]
    """What leads to the newest definition of its own frame, where it does not compare."""
    factor: str
    """The one exact map that all steps together are; empty where there is none, or where it changes nothing."""
    forwarded: Renamed | None
    """That the metric was asked for under an old name."""
    contradictions: tuple[Finding, ...]
    hints: tuple[str, ...]
    """What would make the value comparable."""
    conflicts: tuple[Conflict, ...] = ()
    """What edits made at the same time disagree on behind it."""
    edits: tuple[Edit, ...] = ()
    """What later records changed of it, or of what it is made of, oldest first."""


def explain(view: View, prefix: str, metric: str) -> Explanation:
    """The value that a run has for a metric. Raises UsageError, NotFoundError, AmbiguousError."""
    run_id = one_run(view.runs, prefix)
    row = row_of(view.runs, run_id)
    forwarded = targets.forward(view, metric)
    name = forwarded.name if forwarded else metric
    targets.require(view, [name])
    target = view.target(name)
    plan = view.plan(row, name)
    cell = view.cell(row, name)
    recorded = _recorded(view, row, view.plans(name)[view.schema_codes[row]], name)
    if cell is None and not recorded:
        _refuse_unknown(view, row, name)
    origins: dict[str, Origin | None] = {}
    return Explanation(
        run_id=run_id,
        metric=name,
        target=target,
        cell=cell or MISSING,
        recorded=recorded,
        steps=_told(view, plan.steps, origins),
        breaks=_told(view, plan.breaks, origins),
        own_steps=_told(view, plan.own_steps, origins),
        factor=str(plan.affine) if plan.affine and not plan.affine.is_identity else "",
        forwarded=forwarded,
        contradictions=_contradictions(view, plan),
        hints=tuple(_hints(view, plan, cell or MISSING, recorded)),
        conflicts=disputes.of_metric(view, row, name),
        edits=amended.edits(view, run_id, {name, *view.plans(name)[view.schema_codes[row]].names}),
    )


def _recorded(view: View, row: int, plan: Plan, name: str) -> tuple[Recorded, ...]:
    """What the value is made of, or stands under its name without meaning it."""
    values = {one: view.runs.value(row, METRICS, one) for one in sorted(plan.names | {name})}
    return tuple(
        Recorded(name=one, value=value, definition=view.definition(row, one))
        for one, value in values.items()
        if value is not ABSENT
    )


def _refuse_unknown(view: View, row: int, name: str) -> None:
    """Raises UsageError for a name that nothing has; one that only this run lacks is missing, and is explained."""
    known = {*view.runs.index.names(METRICS), *view.declared_metrics()}
    if name in known:
        return
    mine = sorted(one for group, one in view.runs.run_fields(row) if group == METRICS)
    if not mine:
        raise NotFoundError("this run has no metrics", hint="`ledger show RUN` prints what it has")
    hint = did_you_mean(name, known, f"the run has {', '.join(mine[:12])}")
    raise NotFoundError(f"there is no metric {name!r}", hint=hint)


def _told(view: View, steps: Sequence[Step], origins: dict[str, Origin | None]) -> tuple[Told, ...]:
    for step in steps:
        if step.file not in origins:
            origins[step.file] = meaning.introduced(view.workspace, step.file)
    return tuple(Told(step=step, origin=origins[step.file]) for step in steps)


def _contradictions(view: View, plan: Plan) -> tuple[Finding, ...]:
    if plan.grade is not Grade.AMBIGUOUS:
        return ()
    files = {step.file for step in plan.steps}
    faults = view.lineage.faults
    return tuple(one for one in faults if one.file in files) or faults


def _hints(view: View, plan: Plan, cell: Cell, recorded: Sequence[Recorded]) -> list[str]:
    if cell.grade is Grade.UNDECLARED:
        return _of_undeclared(plan, recorded)
    if cell.grade is Grade.AMBIGUOUS:
        return ["`ledger schema check` names the migrations that contradict each other"]
    if cell.grade is Grade.APPROXIMATE and not cell.comparable:
        return ["--approx counts approximate values"]
    if cell.grade is not Grade.INCOMPARABLE or plan.breaks or plan.source is None:
        return []
    elsewhere = _elsewhere(view, plan.source.did)
    if elsewhere:
        return [f"a migration on {', '.join(elsewhere)} knows this definition: merge it"]
    return ["`ledger schema migrate` drafts a migration"]


def _of_undeclared(plan: Plan, recorded: Sequence[Recorded]) -> list[str]:
    """Either the run has no definition, or the target has none."""
    old = plan.source.name if plan.source else plan.target.name
    if old != plan.target.name:
        return [
            f"if it is {plan.target.name}: ledger amend RUN -m {plan.target.name}=VALUE --remove-metric {old} --reason WHY"
        ]
    if plan.target.declared:
        names = " and ".join(one.name for one in recorded if one.definition is None)
        joined = f"if {names} always meant what the schema says now, `ledger schema migrate` drafts a `same` migration"
        return [f"{joined} from the undeclared name"]
    return ["no schema declares this name now: --at REV or --as VERSION shows it as it was"]


def _elsewhere(view: View, did: str) -> list[str]:
    """Branches that hold a migration which names a definition and is not read here."""
    repository = view.workspace.repository
    words = ("for-each-ref", f"--count={_BRANCHES}", "--format=%(refname)", "refs/heads", "refs/remotes")
    branches = lines(repository.git(*words))
    if not branches:
        return []
    ask = ("grep", "-l", "--fixed-strings", "--no-color", "-e", did, *branches, "--", MIGRATIONS)
    try:
        found = lines(repository.git(*ask, accept=(0, 1)))
    except GitError:  # a branch whose commit is not here
        return []
    known = {migration.file for migration in view.lineage.migrations}
    known.update(
        fault.file for fault in view.meaning.faults
    )  # a draft, or a broken file, is here all the same
    there = {branch for branch, _, file in (line.partition(":") for line in found) if file not in known}
    return [
        name.removeprefix("refs/heads/").removeprefix("refs/remotes/") for name in branches if name in there
    ]
