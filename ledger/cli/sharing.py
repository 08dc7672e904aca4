"""What `push`, `pull` and `fetch` have in common: options, a progress line, and how a report is said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, Command
from ledger.render.format import counted

if TYPE_CHECKING:
    from ledger.share.fetch import Rewound
    from ledger.share.report import Experiment, Report

_SHOWN = 20
_ERASE_LINE = "\r\x1b[K"

experiment_option = click.option(
    "-e", "--experiment", "experiments", multiple=True, metavar="NAME", help="Only this one; may be repeated."
)
rewind_option = click.option(
    "--accept-rewind",
    is_flag=True,
    help="Take over a remote's chain that was set back; what it lost counts as unpublished.",
)
whole_option = click.option("--whole", is_flag=True, help="Fetch whole chains into a shallow clone too.")


def shared(command: Command) -> Command:
    """The options that pull and fetch have in common."""
    return experiment_option(whole_option(rewind_option(command)))


def slugs(names: Sequence[str]) -> frozenset[str] | None:
    """What the named experiments are called in refs; None for all. Raises InputError."""
    from ledger.store.slug import slug

    return frozenset(map(slug, names)) if names else None


@contextmanager
def told() -> Iterator[Callable[[str], None]]:
    """One line on a terminal that says what is being done, and leaves nothing behind."""
    from ledger.render.terminal import escape

    if not sys.stderr.isatty():
        yield lambda _: None
        return

    def say(text: str) -> None:
        sys.stderr.write(f"{_ERASE_LINE}{escape(text, ascii_only=True)}…")
        sys.stderr.flush()

    try:
        yield say
    finally:
        sys.stderr.write(_ERASE_LINE)
        sys.stderr.flush()


def each(names: Sequence[str], act: Callable[[str], Report]) -> list[Report]:
    """What became of several remotes: one that can't be reached keeps nothing from the others. Raises its error alone."""
    from ledger.errors import RemoteError
    from ledger.share.report import Report

    reports: list[Report] = []
    for name in names:
        try:
            reports.append(act(name))
        except RemoteError as error:
            if len(names) == 1:
                raise
            reports.append(Report(remote=name, trouble=error.message, said=list(error.details)))
    return reports


def say(app: App, reports: Sequence[Report], *, as_json: bool) -> int:
    """Print what was done; the exit code."""
    if as_json:
        app.json({"remotes": [document(one) for one in reports]})
    else:
        app.lines(line for one in reports for line in lines(one))
    for one in reports:
        app.warn(_warnings(one))
    return max(one.exit_code for one in reports)


def document(report: Report) -> dict[str, Any]:
    """One remote, as `--json` prints it."""
    return {
        "remote": report.remote,
        "dry_run": report.dry_run,
        "pushes": report.pushes,
        "restored": report.restored,
        "code": report.code,
        "links": {"sent": report.links_sent, "came": report.links_came},
        "requests": report.requests,
        "trouble": report.trouble or None,
        "said": report.said,
        "experiments": [_experiment(one) for one in report.experiments.values() if one.touched],
        "rewound": [
            {
                "experiment": one.slug,
                "was": one.pin,
                "is": one.tip,
                "lost": one.lost,
                "accepted": one.slug in report.accepted,
            }
            for one in report.rewound
        ],
        "faults": [one.document() for one in (*report.refused, *report.odd)],
        "redacted": [
            {"run": one.run, "path": str(one.place), "reason": one.reason, "at": one.at}
            for one in report.redacted
        ],
    }


def _experiment(one: Experiment) -> dict[str, Any]:
    return {
        "experiment": one.slug,
        "came": one.came,
        "sent": one.sent,
        "waiting": one.waiting,
        "reparented": one.reparented,
        "folded": one.folded,
        "quarantined": [link.record for link in one.quarantined],
        "inbox": one.inbox,
        "overtaken": one.overtaken,
        "left": one.left,
        "problem": one.problem or None,
        "replaced": one.replaced,
    }


def lines(report: Report) -> Iterator[str]:
    """One line for the remote, and one for each experiment that something was done for."""
    from ledger.render.terminal import escape

    touched = [one for one in report.experiments.values() if one.touched]
    yield escape(f"{report.remote}: {_total(report, touched)}")
    for one in touched[:_SHOWN]:
        yield escape(f"  {one.slug}  {', '.join(_parts(one, report))}")
    if len(touched) > _SHOWN:
        yield f"  and {counted(len(touched) - _SHOWN, 'more experiment')}"


def _total(report: Report, touched: Sequence[Experiment]) -> str:
    words = {"sent": "sent", "came": "new here", "folded": "from inboxes"}
    if report.dry_run:
        words["waiting"] = "to send"
    counts = [
        f"{counted(report.total(what), 'record')} {said}"
        for what, said in words.items()
        if report.total(what)
    ]
    replaced = sum(one.replaced for one in touched)
    if replaced:
        counts.append(f"{counted(replaced, 'chain')} replaced")
    for links, said in ((report.links_sent, "sent"), (report.links_came, "new here")):
        if links:
            counts.append(f"{counted(links, 'link')} of commits {said}")
    if report.code:
        counts.append(f"{counted(report.code, 'code commit')}")
    if report.requests:
        counts.append(f"{counted(report.requests, 'merged pull request')}")
    return ", ".join(counts) or ("nothing moved" if touched or report.trouble else "up to date")


def _parts(one: Experiment, report: Report) -> Iterator[str]:
    for count, what in (
        (one.sent, "sent to this clone's inbox" if one.inbox else "sent"),
        (one.came, "new here"),
        (one.folded, "from inboxes"),
        (one.waiting, "to send" if report.dry_run else "not published yet"),
        (one.reparented, "re-parented"),
        (len(one.quarantined), "refused by the server"),
    ):
        if count:
            yield f"{count:,} {what}"
    if one.replaced:
        yield "replaced: what was taken out is gone from it"
    if one.left:
        yield "left on the remote, since this clone is shallow (--whole fetches it)"
    if one.problem:
        yield one.problem


def _warnings(report: Report) -> Iterator[str]:
    if report.restored:
        many = counted(report.restored, "record")
        yield f"{many} had gone from their refs, put back from their sealed files"
    for one in report.redacted:
        yield f"{report.remote}: {one}"
    if report.trouble:
        yield report.trouble
    for lost in report.rewound:
        yield _rewound(report.remote, lost, accepted=lost.slug in report.accepted)
    for entry in report.experiments.values():
        if entry.overtaken:
            yield _overtaken(report.remote, entry)
        for link in entry.quarantined[:_SHOWN]:
            yield (
                f"{report.remote} refuses record {link.record} of {entry.slug}: it stays here (ledger push --retry)"
            )
    yield from report.said
    faults = [*report.refused, *report.odd]
    for fault in faults[:_SHOWN]:
        yield f"{report.remote}: {fault.where}: {fault.what}"
    if len(faults) > _SHOWN:
        yield f"and {counted(len(faults) - _SHOWN, 'more fault')}"


def _overtaken(remote: str, one: Experiment) -> str:
    return (
        f"{remote}: others were first {counted(one.overtaken, 'time')}, so runs of {one.slug} are in this clone's inbox there: "
        "`ledger fetch` shows them to everybody, and the next push takes them to the chain"
    )


def _rewound(remote: str, one: Rewound, *, accepted: bool) -> str:
    was = one.pin[:12]
    what = f"was set back from {was} to {one.tip[:12]}" if one.tip else f"is gone (it was at {was})"
    count = "" if one.lost is None else f", {counted(one.lost, 'record is', 'records are')} no longer there"
    advice = "ask who did it; `ledger pull --accept-rewind`, then `ledger push`, brings them back"
    taken = "taken over: the next `ledger push` brings them back"
    return f"refs/runs/{one.slug} of {remote} {what}{count}; nothing is lost here; {taken if accepted else advice}"
