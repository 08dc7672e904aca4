"""`ledger show`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, one_output, table_options
from ledger.cli.viewing import Viewing, view_options
from ledger.errors import UsageError
from ledger.model import LEVELS
from ledger.render.format import plain
from ledger.render.terminal import escape, paint

if TYPE_CHECKING:
    from ledger.render.table import Cell
    from ledger.trace.detail import Detail, MetricDetail, RecordDetail

_EPILOG = """\b
Examples:
  ledger show 3f9c
  ledger show 3f9c --records            every write about the run: who, when, why, and what it changed
  ledger show 3f9c --history            its series
  ledger show 3f9c --history loss --csv > loss.csv
  ledger show 3f9c --events --level warning   what happened while it went on
  ledger show 3f9c --params --json      the params, nested as they were recorded

\b
Signs: = recorded under the definition shown   (0.84) another definition or none: not compared
"""

_WHOLE_SERIES = ""
_ENVIRONMENT_LINES = 12
_TEXT_FIELDS = ("name", "parent", "note")


@click.command(epilog=_EPILOG)
@click.argument("run")
@click.option("--records", "with_records", is_flag=True, help="Every record of the run, and what it changed.")
@click.option(
    "--history",
    "series",
    is_flag=False,
    flag_value=_WHOLE_SERIES,
    metavar="[METRIC]",
    help="The series instead, all or one.",
)
@click.option("--all-attempts", is_flag=True, help="With --history: points that were logged again, too.")
@click.option("--events", "with_events", is_flag=True, help="What happened while it went on, instead.")
@click.option("--level", type=click.Choice(LEVELS), help="Events of this level and above.")
@click.option("--params", "only_params", is_flag=True, help="The params only.")
@click.option("--metrics", "only_metrics", is_flag=True, help="The metrics only.")
@view_options()
@table_options
@click.pass_obj
def show(
    app: App,
    /,
    *,
    run: str,
    with_records: bool,
    series: str | None,
    all_attempts: bool,
    with_events: bool,
    level: str | None,
    only_params: bool,
    only_metrics: bool,
    viewing: Viewing,
    as_json: bool,
    as_csv: bool,
    as_md: bool,
) -> None:
    """Show one run whole. RUN is its id, or four or more of its first digits.

    Metrics stand under the definition that the project gives them now; what does not compare with it is in
    parentheses, with the reason. Of a run that still goes on it shows what is known so far.
    """
    from ledger.cli.show_events import show_events
    from ledger.cli.show_live import Wanted, live_run, show_live
    from ledger.cli.show_series import show_series
    from ledger.trace import apart
    from ledger.trace.detail import detail

    form = one_output(json=as_json, csv=as_csv, md=as_md)
    wanted = one_output(
        history=series is not None,
        events=with_events,
        params=only_params,
        metrics=only_metrics,
        records=with_records,
    )
    if level is not None and not with_events:
        raise UsageError("--level goes with --events", hint=f"ledger show {run} --events --level {level}")
    if all_attempts and series is None:
        raise UsageError(
            "--all-attempts goes with --history", hint=f"ledger show {run} --history --all-attempts"
        )
    view = viewing.open_all(app)
    left_out: Iterable[str] = ()
    live = live_run(app, view, run)
    if live is not None:
        part = "" if wanted == "text" else wanted
        shown = Wanted(part=part, series=series or None, all_attempts=all_attempts, level=level)
        show_live(app, live, form, shown)
    elif series is not None:
        left_out = show_series(app, view, run, series or None, form, all_attempts=all_attempts)
    elif with_events:
        show_events(app, view, run, level, form)
    elif form in ("csv", "md"):
        raise UsageError(
            f"--{form} goes with --history and --events", hint="ledger show RUN --json, or ledger runs --csv"
        )
    else:
        found = detail(view, run)
        part = "params" if only_params else "metrics" if only_metrics else ""
        if form == "json":
            whole = document(found)
            app.json(whole[part] if part else whole)
        else:
            printer = _Printer(app, found, with_records=with_records)
            app.lines(printer.part(part) if part else printer.whole())
        left_out = apart.of_run(view, found.metrics)
        viewing.tell(app, view, found.metrics)
    app.warn_of_faults(view.runs.index.faults)
    viewing.require(lambda: set(left_out))


def document(found: Detail) -> dict[str, Any]:
    """What `--json` prints: the contract of docs/json.md."""
    return {
        "run": found.run,
        "params": found.params,
        "metrics": {name: metric_document(metric) for name, metric in found.metrics.items()},
        "records": [_record_document(record) for record in found.records],
        "conflicts": [
            {
                "field": ".".join(conflict.field),
                "values": list(conflict.values),
                "records": list(conflict.records),
            }
            for conflict in found.conflicts
        ],
        "attached": {"commit": found.attachment.commit, "level": found.attachment.level.value},
    }


def metric_document(metric: MetricDetail) -> dict[str, Any]:
    """`value` is null where it does not compare: `recorded` is what was recorded, `reason` says why."""
    from ledger.cli.aside import own_document

    cell = metric.cell
    return {
        "value": cell.value if cell.comparable else None,
        "grade": cell.grade.value,
        "recorded": cell.recorded,
        "own": own_document(cell.aside, cell.own),
        "unit": metric.target.unit,
        "definition": metric.target.did,
        "reason": cell.reason,
        "direction": metric.target.direction,
        "recorded_definition": metric.recorded.did if metric.recorded else None,
    }


def _record_document(record: RecordDetail) -> dict[str, Any]:
    from ledger.trace.runset import ABSENT

    return {
        "record": record.record,
        "base": record.base,
        "merges": list(record.merges),
        "settles": list(record.settles),
        "recorded": record.recorded,
        "author": {"name": record.author.name, "email": record.author.email},
        "reason": record.reason,
        "ref": record.ref,
        "commit": record.commit or None,
        "changes": [
            {
                "field": change.field,
                **{
                    key: value
                    for key, value in (("old", change.old), ("new", change.new))
                    if value is not ABSENT
                },
            }
            for change in record.changes
        ],
    }


@dataclass(frozen=True, slots=True)
class _Printer:
    app: App
    found: Detail
    with_records: bool

    def whole(self) -> Iterator[str]:
        yield paint(f"run {self.found.id}", "id", self.app.terminal)
        yield from self._table(self._facts())
        for heading in _SECTIONS:
            lines = list(self.part(heading))
            if lines:
                yield ""
                yield paint(heading, "bold", self.app.terminal)
                yield from (f"  {line}" for line in lines)

    def part(self, heading: str) -> Iterator[str]:
        return _SECTIONS[heading](self)

    def _table(self, rows: Iterable[Sequence[Cell | str]], *, point: int = -1) -> Iterator[str]:
        from ledger.render.table import aligned

        return aligned(rows, self.app.terminal, point=point)

    def _facts(self) -> Iterator[tuple[str, str]]:
        from ledger.render.format import duration, minute

        run: Mapping[str, Any] = self.found.run
        yield "experiment", run["experiment"]
        yield from ((key, str(run[key])) for key in _TEXT_FIELDS if run.get(key))
        yield "status", str(run["status"])
        ended = [one for one in self.found.records if one.base is None or _is_attempt(one)]
        if ended and ended[-1].reason:
            yield "reason", ended[-1].reason
        if run.get("started"):
            yield "started", minute(run["started"])
        if run.get("finished"):
            took = f", took {duration(run['duration'])}" if run.get("duration") is not None else ""
            yield "finished", minute(run["finished"]) + took
        yield from (("code", line) for line in _code_lines(run.get("code"))[:1])
        yield from (("", line) for line in _code_lines(run.get("code"))[1:])
        yield "attached", self._attached()
        if run.get("command"):
            yield "command", shlex.join(run["command"])
        if run.get("schema"):
            yield "schema", " ".join(str(word) for word in run["schema"].values())
        yield "author", str(self.found.records[0].author)
        if len(self.found.records) > 1 and not self.with_records:
            yield "records", f"{len(self.found.records)} (--records shows what each changed)"
        if not self.found.records[-1].commit:
            yield "", "sealed on this disk, not on its chain yet"

    def _attached(self) -> str:
        from ledger.render.grades import LEVELS

        attachment, commit = self.found.attachment, self.found.attached
        if commit is None:
            return f"{attachment.level.value}: {LEVELS[attachment.level].words}"
        many = f" 1 of {attachment.of}" if attachment.of > 1 else ""
        return f"{commit.id[:9]} {commit.subject} ({attachment.level.value}{many})"

    def _params(self) -> Iterator[str]:
        from ledger.store.segment import flatten

        return self._table((name, plain(value)) for name, value in flatten(dict(self.found.params)).items())

    def _metrics(self) -> Iterator[str]:
        return self._table(
            ((name, *self._metric(metric)) for name, metric in self.found.metrics.items()), point=1
        )

    def _metric(self, metric: MetricDetail) -> tuple[Cell, str, str]:
        from ledger.cli.aside import parenthesised
        from ledger.render.format import number
        from ledger.render.grades import GRADES
        from ledger.render.table import Cell

        cell, target = metric.cell, metric.target
        aside = parenthesised(number(cell.aside), cell.own, target.unit)
        shown = plain(cell.value) if cell.comparable else aside
        sign = GRADES[cell.grade]
        mark = sign.text(unicode=self.app.terminal.unicode)
        better = {"higher": "higher is better", "lower": "lower is better"}.get(target.direction or "", "")
        said = ", ".join(part for part in (better, cell.reason) if part)
        value = Cell(text=shown, mark=mark, style="" if cell.comparable else "dim", mark_style=sign.style)
        unit = target.unit if cell.own is None or cell.own.unit == target.unit else None
        return value, unit if unit not in (None, "1") else "", said

    def _tags(self) -> Iterator[str]:
        tags: Any = self.found.run.get("tags", {})
        return self._table((name, value) for name, value in sorted(tags.items()))

    def _artifacts(self) -> Iterator[str]:
        from ledger.render.format import size

        artifacts: Any = self.found.run.get("artifacts", ())
        return self._table(
            (
                item["role"],
                item["name"],
                item["uri"],
                size(item.get("size")),
                f"{item['rows']:,} rows" if item.get("rows") is not None else "",
                f"sha256 {item['sha256'][:12]}" if item.get("sha256") else "",
            )
            for item in artifacts
        )

    def _environment(self) -> Iterator[str]:
        from ledger.store.segment import flatten

        environment: Any = self.found.run.get("environment", {})
        flat = flatten(environment)
        yield from self._table(
            (name, plain(value)) for name, value in list(flat.items())[:_ENVIRONMENT_LINES]
        )
        if len(flat) > _ENVIRONMENT_LINES:
            yield f"and {len(flat) - _ENVIRONMENT_LINES} more (--json has all)"

    def _conflicts(self) -> Iterator[str]:
        for conflict in self.found.conflicts:
            won, *lost = map(plain, conflict.values)
            yield escape(
                f"{'.'.join(conflict.field)}: {won} counts (record {conflict.records[0][:8]}), "
                f"edited at the same time to {', '.join(lost)}"
            )

    def _records(self) -> Iterator[str]:
        if not self.with_records:
            return
        from ledger.render.format import minute
        from ledger.trace.runset import ABSENT

        for record in self.found.records:
            where = f"commit {record.commit[:9]}" if record.commit else "not on its chain yet"
            yield paint(record.record[:8], "id", self.app.terminal) + escape(
                f"  {minute(record.recorded)}  {record.author.name}  {where}"
            )
            if record.base is None:
                yield "    the run as it was recorded"
            if record.reason:
                yield escape(f"    reason: {record.reason}")
            for change in record.changes:
                old, new = (
                    "(nothing)" if value is ABSENT else plain(value) for value in (change.old, change.new)
                )
                yield escape(f"    {change.field}: {old} → {new}", ascii_only=not self.app.terminal.unicode)
            if record.merges:
                yield f"    merges: {', '.join(name[:8] for name in record.merges)}"
            if record.settles:
                settled = (name.removeprefix("run.") for name in record.settles)
                yield escape(f"    settles: {', '.join(settled)}")
            if record.base and not record.changes:
                present = any(other.record == record.base for other in self.found.records)
                yield "    changes nothing" if present else f"    edits {record.base[:8]}, which is not here"


_SECTIONS = {
    "params": _Printer._params,  # noqa: SLF001 - the table of its own sections
    "metrics": _Printer._metrics,  # noqa: SLF001
    "tags": _Printer._tags,  # noqa: SLF001
    "artifacts": _Printer._artifacts,  # noqa: SLF001
    "environment": _Printer._environment,  # noqa: SLF001
    "conflicts": _Printer._conflicts,  # noqa: SLF001
    "records": _Printer._records,  # noqa: SLF001
}


def _code_lines(code: Mapping[str, Any] | None) -> list[str]:
    if not code:
        return ["unknown"]
    branch = f" on {code['branch']}" if code.get("branch") else ""
    lines = [code["commit"][:9] + branch]
    if code.get("dirty"):
        kept = f", kept as {code['snapshot'][:9]}" if code.get("snapshot") else ""
        lines.append(f"with uncommitted changes{kept}")
    if code.get("problem"):
        lines.append(f"not kept: {code['problem']}")
    return lines


def _is_attempt(record: RecordDetail) -> bool:
    """Whether the run went on in a record: it ended anew. The reason of any other is that of an edit."""
    return any(change.field == "finished" for change in record.changes)
