"""Experiments as branches of work: whether they go on, what became of them, how much they hold, how good they got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ledger.frozen import frozen
from ledger.git import bulk, history
from ledger.git.history import Range
from ledger.model import Level
from ledger.trace.attach import Attacher
from ledger.trace.attachment import UNATTACHED, Attachment, CodeKey, key_of
from ledger.trace.branches import Branches, branches
from ledger.trace.spread import Metric, Spread
from ledger.trace.view import View

OPEN, MERGED, SQUASHED, DELETED = "open", "merged", "squashed", "deleted"


@frozen()
class Experiment:
    """One experiment that has runs."""

    name: str
    state: str | None
    """open, merged (the default branch reaches its tip), squashed (that has its changes as other commits), deleted;
    None for a name that never was a branch."""
    rows: Sequence[int]
    """Index rows of its runs."""
    commits: int
    """How many code commits they name."""
    tip: str | None
    """Of the branch; without one the code commit of its latest run."""
    attached: Attachment
    """Where the tip is on the default branch."""
    active: int | None
    """When the latest record of a run was made: microseconds since 1970."""
    best: Mapping[str, Spread | None]
    """By metric; None where the runs lie in several partitions, whose values do not compare."""


def experiments(view: View, metrics: Sequence[str]) -> list[Experiment]:
    """All that have runs, the latest active first."""
    rows = by_name(view)
    standing = branches(view.workspace)
    latest = {name: max(mine, key=lambda row: (view.recorded[row] or 0, row)) for name, mine in rows.items()}
    keys = _keys(view, standing, latest)
    attached = dict(zip(keys, _on_default(view, standing, list(keys.values())), strict=True))
    read = {name: Metric.of(view, name) for name in metrics}
    codes = view.runs.column("code_commit")
    found = [
        Experiment(
            name=name,
            state=_state(view, standing, name, latest[name], attached[name]),
            rows=mine,
            commits=len({codes[row] for row in mine if codes[row]}),
            tip=keys[name].commit,
            attached=attached[name],
            active=view.recorded[latest[name]],
            best={metric: _best(one, mine) for metric, one in read.items()},
        )
        for name, mine in rows.items()
    ]
    return sorted(found, key=lambda one: (-(one.active or 0), one.name))


def by_name(view: View) -> dict[str, list[int]]:
    """Experiment → rows of its runs."""
    found: dict[str, list[int]] = {}
    names = view.experiments
    for row in view.runs.rows:
        found.setdefault(names[row], []).append(row)
    return found


def _keys(view: View, standing: Branches, latest: Mapping[str, int]) -> dict[str, CodeKey]:
    """Experiment → its tip: of its branch, else the code of its latest run without what was not committed."""
    peeled = bulk.peeled(view.workspace.repository, [standing.tips[n] for n in latest if n in standing.tips])
    found = {}
    for name, row in latest.items():
        tip = standing.tips.get(name, "")
        if tip in peeled:
            found[name] = CodeKey(tip, peeled[tip].tree)
        else:
            found[name] = key_of(view.runs.record_columns(row)).clean
    return found


def _on_default(view: View, standing: Branches, keys: Sequence[CodeKey]) -> list[Attachment]:
    if standing.default is None:
        return [UNATTACHED] * len(keys)
    repository = view.workspace.repository
    commits = history.walk(repository, Range(include=(standing.tips[standing.default],)))
    return Attacher(repository, commits, view.workspace.config.code_paths).attach(keys)


def _state(view: View, standing: Branches, name: str, latest: int, attached: Attachment) -> str | None:
    stands = name in standing.tips
    if stands and standing.tips[name] == standing.tips.get(standing.default or ""):
        return OPEN  # the default branch itself, or one that has nothing of its own yet
    if not stands and view.runs.record_columns(latest)["code_branch"] != name:
        return None
    if attached.level is Level.COMMIT:
        return MERGED
    if attached.commit is not None:
        return SQUASHED
    return OPEN if stands else DELETED


def _best(metric: Metric, rows: Sequence[int]) -> Spread | None:
    parts = [one for mine in metric.parted(rows).values() if (one := metric.spread(mine)).count]
    if not parts:
        return metric.spread(rows)
    return parts[0] if len(parts) == 1 else None
