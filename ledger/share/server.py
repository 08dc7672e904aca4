"""What a self-hosted remote lets in: chains that only grow, and records that are whole, small and valid.

git's `receive.denyNonFastForwards` and `receive.denyDeletes` act on branches only: without a hook, any pusher can
delete or rewrite `refs/runs/*`. Called by `hooks/update` (one ref) and `hooks/pre-receive` (all refs of a push).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ledger.errors import LedgerError
from ledger.git import history, objects, refs
from ledger.git.process import Repository
from ledger.share import inbox, redactions
from ledger.share.chainlog import Line, beyond, records_of
from ledger.share.check import no_commit
from ledger.share.cleanse import Cleanser, cleanser
from ledger.share.session import LINKS, REDACTIONS
from ledger.store import link_log
from ledger.store.slug import CODE, INBOX, RUNS, is_slug
from ledger.store.verify.records import records
from ledger.store.verify.walk import Walk

_OWN = "refs/ledger/"
_SHOWN = 20
_AT_ONCE = 2_000
_DIGITS = 12

_PULL = "run `ledger pull`, then `ledger push`: it puts your runs on top of what is here"
_NEVER = "runs are never deleted or rewritten here; `ledger redact` takes a secret out"
_ALLOW = "its owner says there: git config ledger.allowRedaction true"
_REDACT = "`ledger redact` writes this log; a server with an older ledger has to be upgraded first"
_LINK = "`ledger link` and its hook write this log; a server with an older ledger has to be upgraded first"
_BACK = "brings back what was taken out"
_CONTENT = "your clone keeps the record; record the run again without the fault, or `ledger amend` it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a pusher wants a ref to become."""

    ref: str
    old: str | None
    """None: it does not exist."""
    new: str | None
    """None: it is to be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Why a ref is refused, and what its pusher can do."""

    ref: str
    what: tuple[str, ...]
    mend: str

    def __str__(self) -> str:
        return "\n".join((*(f"{self.ref}: {one}" for one in self.what), f"mend: {self.mend}"))


def parse(lines: Iterable[str], zeros: str) -> list[Command]:
    """The lines that git gives a pre-receive hook: `<old> <new> <ref>`."""
    words = (line.rstrip("\n").split(" ", 2) for line in lines)
    return [command(ref, old, new, zeros) for old, new, ref in words]


def command(ref: str, old: str, new: str, zeros: str) -> Command:
    """From the words of an update hook, where zeros stand for nothing."""
    return Command(ref=ref, old=None if old == zeros else old, new=None if new == zeros else new)


def check(repository: Repository, commands: Sequence[Command]) -> list[Complaint]:
    """What speaks against a push; nothing is said of refs that are not ledger's."""
    found = (_judged(repository, one) for one in commands)
    return [complaint for complaint in found if complaint]


def _judged(repository: Repository, one: Command) -> Complaint | None:
    rule = next((rule for prefix, rule in _RULES if one.ref.startswith(prefix)), None)
    try:
        return (_no_commit(repository, one) or rule(repository, one)) if rule else None
    except LedgerError as error:
        return _refused(one, f"can't be followed: {error.message}", mend=_PULL)


def _no_commit(repository: Repository, one: Command) -> Complaint | None:
    said = no_commit(objects.kinds(repository, [one.new])[0]) if one.new else ""
    return _refused(one, said, mend="push with `ledger push`") if said else None


def _refused(one: Command, *what: str, mend: str) -> Complaint:
    return Complaint(ref=one.ref, what=what, mend=mend)


def _chain(repository: Repository, one: Command) -> Complaint | None:
    slug = one.ref.removeprefix(RUNS)
    if not is_slug(slug):
        return _refused(one, "not a name that ledger gives a chain", mend="push with `ledger push`")
    if one.new is None:
        return _refused(one, "may not be deleted", mend=_NEVER)
    clean = _cleanser(repository)
    old = one.old
    if old and clean.of(slug):
        old = clean.grown_from(slug, one.new, old) or old
    line = _line(repository, one.new, old)
    wrong = _unlike(line, old) if one.new != old else ""
    if not wrong and clean.changes(slug, [one.new]):
        wrong = _BACK
    if wrong:
        return _refused(one, wrong, mend=_PULL)
    if old != one.old and not _allowed(repository):
        return _refused(one, "only the owner may let a value be taken out", mend=_ALLOW)
    return _twice(repository, one, line, old) or _contents(repository, one, slug, line)


def _twice(repository: Repository, one: Command, line: Line, old: str | None) -> Complaint | None:
    there = records_of(repository, old) if old else frozenset()
    found = [link for link in line.links if link.record in there]
    said = [_at(link.id, "its record is here already") for link in found[:_SHOWN]]
    return _refused(one, *said, mend=_PULL) if said else None


def _inbox(repository: Repository, one: Command) -> Complaint | None:
    """An inbox may be anything, as long as no record is lost by it that no chain has."""
    box = inbox.parse(one.ref)
    if box is None:
        return _refused(one, "not a name that ledger gives an inbox", mend="push with `ledger push --inbox`")
    if one.old:
        kept = _records(repository, one.new) | _records(repository, RUNS + box.slug)
        lost = records_of(repository, one.old) - kept
        if lost:
            return _refused(one, f"{len(lost)} of its records are on no chain yet", mend=_PULL)
    if one.new is None:
        return None
    line = _line(repository, one.new, one.old, refs.commit(repository, RUNS + box.slug))
    wrong = "not a chain of runs" if line.forked else ""
    wrong = wrong or (_BACK if _cleanser(repository).changes(box.slug, [one.new]) else "")
    return _refused(one, wrong, mend=_PULL) if wrong else _contents(repository, one, box.slug, line)


def _grows(repository: Repository, one: Command) -> Complaint | None:
    if one.new is None:
        return _refused(one, "may not be deleted", mend=_NEVER)
    if one.old and not history.reaches(repository, one.new, one.old):
        return _refused(one, "does not go on from what is here", mend=_PULL)
    return None


def _log(repository: Repository, one: Command) -> Complaint | None:
    """What is read at every push: a log that can't be read would shut everybody out."""
    wrong = _grows(repository, one)
    if wrong or one.new is None:
        return wrong
    known = {link.id for link in redactions.read(repository, one.old).links}
    found = redactions.read(repository, one.new)
    said = [_at(fault.commit, fault.what, fault.path) for fault in found.faults if fault.commit not in known]
    if not found.links:
        said = ["not a log of redactions"]
    return _refused(one, *said[:_SHOWN], mend=_REDACT) if said else None


def _links(repository: Repository, one: Command) -> Complaint | None:
    """What every clone merges: one file that is no link would end that for all of them."""
    wrong = _grows(repository, one)
    if wrong or one.new is None:
        return wrong
    found = link_log.read(repository, one.new, known=one.old)
    said = [_at(fault.commit, fault.what, fault.path) for fault in found.faults]
    if not (said or found.events or one.old):
        said = ["not a log of links"]
    return _refused(one, *said[:_SHOWN], mend=_LINK) if said else None


def _local(_repository: Repository, one: Command) -> Complaint | None:
    if one.new is None:
        return None
    return _refused(
        one, "belongs to one clone only", mend="push with `ledger push`, not with --mirror or refs/*"
    )


_RULES: tuple[tuple[str, Callable[[Repository, Command], Complaint | None]], ...] = (
    (RUNS, _chain),
    (INBOX, _inbox),
    (CODE, _grows),
    (LINKS, _links),
    (REDACTIONS, _log),
    (_OWN, _local),
)
"""By the beginning of a ref's name; the first that fits counts."""


def _cleanser(repository: Repository) -> Cleanser:
    tip = refs.tips(repository, REDACTIONS).get(REDACTIONS)
    return cleanser(repository, tip.id if tip else None)


def _allowed(repository: Repository) -> bool:
    words = ("config", "--type=bool", "--get", "ledger.allowRedaction")
    return repository.git(*words, accept=(0, 1, 128)).strip() == b"true"


def _line(repository: Repository, new: str, *known: str | None) -> Line:
    return beyond(repository, {new: new}, list(filter(None, known)))[new]


def _unlike(line: Line, old: str | None) -> str:
    """Why a line of commits does not add to a chain."""
    if line.forked is not None:
        return _at(line.forked.id, "more than one parent: not a chain of runs")
    if not line.links:
        return "would be set back"
    return "" if line.root == old else "does not go on from what is here"


def _contents(repository: Repository, one: Command, slug: str, line: Line) -> Complaint | None:
    """The strict reading of `ledger verify`, of what is new: names and modes first, then sizes, then bytes."""
    walk = Walk(repository)
    placed = [(RUNS + slug, link.id) for link in line.links]
    for start in range(0, len(placed), _AT_ONCE):
        records(walk, placed[start : start + _AT_ONCE])
        if len(walk.faults) >= _SHOWN:
            break
    said = [_at(fault.commit, fault.what, fault.path) for fault in walk.faults]
    return _refused(one, *said[:_SHOWN], mend=_CONTENT) if said else None


def _at(commit: str, what: str, path: str = "") -> str:
    """Names the commit as a pusher's ledger looks for it, which then sets this one aside and sends the others."""
    return f"{commit[:_DIGITS]} {path}: {what}" if path else f"{commit[:_DIGITS]}: {what}"


def _records(repository: Repository, name: str | None) -> frozenset[str]:
    """Of a commit or a ref; nothing for what does not exist."""
    if name is None or repository.outcome("rev-parse", "--verify", "--quiet", "--end-of-options", name).code:
        return frozenset()
    return records_of(repository, name)
