"""Refs: read in one process, written in one transaction in which every write names the value it replaces."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ledger.durable import sync_folder
from ledger.errors import GitError, LedgerError
from ledger.frozen import frozen
from ledger.git.process import Repository, lines

_SYNCED = (
    "-c",
    "core.fsync=all",
    "-c",
    "core.filesRefLockTimeout=1000",
    "-c",
    "core.logAllRefUpdates=always",
)
_WRITTEN_OUT = (*_SYNCED, "-c", "core.fsyncMethod=writeout-only")
_FEW = 16
"""So many refs are fsynced one by one even where one flush would do."""

_TIP = "".join(
    f"%({part})%00"
    for part in (
        "refname",
        "objectname",
        "objecttype",
        "symref",
        "tree",
        "contents:subject",
        "trailers:key=Ledger-Run,valueonly,unfold,separator=%x2C",
    )
)


_FIELDS = 7
_PASSED_OVER = re.compile(r"^warning: ignoring broken ref (.+)$", re.MULTILINE)
_OWN = ("refs/runs/", "refs/ledger/")


@frozen()
class RefUpdate:
    ref: str
    new: str
    old: str | None
    """The value that is replaced; None: the ref must not exist."""


@frozen()
class Tip:
    id: str
    kind: str
    """Type of the object: anything but `commit` is not a ledger."""
    symbolic: str = ""
    """The ref that this one is another name for."""
    tree: str = ""
    """Of a commit."""
    subject: str = ""
    """First line of a commit's message."""
    run: str = ""
    """What a commit's `Ledger-Run` trailer says."""

    @property
    def nature(self) -> str:
        """What the ref points to, in words."""
        if self.leads_nowhere:
            return "its file is empty or damaged (`ledger doctor` says how to get it back)"
        return f"a {self.kind}" if self.kind != "broken" else "its object is missing or damaged"

    @property
    def leads_nowhere(self) -> bool:
        """Whether the ref itself can't be read: its file is empty, or holds no id."""
        return self.kind == "broken" and not self.id.strip("0")


def update(
    repository: Repository, updates: Sequence[RefUpdate], *, reason: str, keep: tuple[int, ...] = ()
) -> None:
    """All updates or none, fsynced, with a reflog entry. Raises RefMovedError when one holds another value."""
    repository.git(*_SYNCED, *_words(reason), stdin=_lines(repository, updates), keep=keep)


def update_together(
    repository: Repository, updates: Sequence[RefUpdate], *, reason: str, keep: tuple[int, ...] = ()
) -> None:
    """As `update`, for refs of which some may be lost in a power cut before this returns: many are flushed once.

    Each is written out before it gets its name, so that none can stand empty; one fsync of their folder then
    makes all of them durable, names included. That holds on file systems with a journal, and is what git does with
    objects (`core.fsyncMethod=batch`); where nothing can be written out without a flush, each is fsynced.
    """
    if len(updates) <= _FEW:
        return update(repository, updates, reason=reason, keep=keep)
    repository.git(*_WRITTEN_OUT, *_words(reason), stdin=_lines(repository, updates), keep=keep)
    places = {(repository.common_dir / item.ref).parent for item in updates}
    for folder in (*places, repository.common_dir, repository.common_dir / "reftable"):
        if folder.is_dir():
            sync_folder(folder)
    return None


def update_each(
    repository: Repository,
    groups: Sequence[Sequence[RefUpdate]],
    *,
    reason: str,
    keep: tuple[int, ...] = (),
) -> list[LedgerError | None]:
    """As `update`, each group a transaction of its own; what became of each, in order.

    One process does them all as long as none fails: git ends at the first that does, and another goes on behind it.
    """
    outcomes: list[LedgerError | None] = []
    words = (*_SYNCED, *_words(reason))
    while len(outcomes) < len(groups):
        asked = b"".join(_transaction(repository, group) for group in groups[len(outcomes) :])
        done = repository.outcome(*words, stdin=asked, keep=keep)
        outcomes += [None] * done.stdout.count(b"commit: ok\n")
        if len(outcomes) < len(groups):
            outcomes.append(done.error(words))
    return outcomes


def _words(reason: str) -> tuple[str, ...]:
    return ("update-ref", "-m", reason, "--create-reflog", "--stdin", "-z")


def _transaction(repository: Repository, updates: Sequence[RefUpdate]) -> bytes:
    return b"start\0%scommit\0" % _lines(repository, updates)


def _lines(repository: Repository, updates: Sequence[RefUpdate]) -> bytes:
    return b"".join(
        b"update %s\0%s\0%s\0"
        % (item.ref.encode(), item.new.encode(), (item.old or repository.zeros).encode())
        for item in updates
    )


def ids(repository: Repository, *patterns: str) -> dict[str, str]:
    """Refs that match, with the ids of what they point to: no object is looked at, there or not."""
    output = repository.git("for-each-ref", "--format=%(objectname) %(refname)", *patterns)
    pairs = (line.partition(" ") for line in lines(output))
    return {name: oid for oid, _, name in pairs}


def commit(repository: Repository, ref: str) -> str | None:
    """The commit that a ref points to; None where there is no such ref, or where it points to anything else."""
    found = tips(repository, ref).get(ref)
    return found.id if found and found.kind == "commit" else None


def tips(repository: Repository, *patterns: str) -> dict[str, Tip]:
    """Refs that match (whole names, or prefixes that end at a slash), with what they point to.

    A ref whose object is missing or damaged has the kind `broken`; git by itself would tell of no ref then.
    So has one of ledger's own that can't be read itself, which git passes over; its id is zeros.
    """
    try:
        return _tips(repository, patterns)
    except GitError:
        output = repository.git("for-each-ref", "--format=%(refname)%00%(objectname)", *patterns)
        pairs = (line.split("\0") for line in lines(output))
        return _halved(repository, dict(pairs))


def _tips(repository: Repository, patterns: Sequence[str]) -> dict[str, Tip]:
    words = ("for-each-ref", f"--format={_TIP}", *patterns)
    done = repository.outcome(*words)
    raw = repository.git(*words) if done.code else done.stdout
    output = raw.decode("utf-8", "surrogateescape")
    # What a message says may hold line ends, but no NUL: seven fields a ref, each ended by one.
    fields = output.split("\0")
    rows = (fields[start : start + _FIELDS] for start in range(0, len(fields) - _FIELDS, _FIELDS))
    found = {
        name.lstrip("\n"): Tip(
            id=oid, kind=kind, symbolic=symbolic, tree=tree, subject=_one_line(subject), run=_one_line(run)
        )
        for name, oid, kind, symbolic, tree, subject, run in rows
    }
    return found | _unreadable(repository, _passed_over(done.stderr))


def _unreadable(repository: Repository, names: Sequence[str]) -> dict[str, Tip]:
    """Those that are so at a second look: one that is deleted while git looks seems to be."""
    if not names:
        return {}
    still = _passed_over(repository.outcome("for-each-ref", "--format=", *names).stderr)
    return {name: Tip(id=repository.zeros, kind="broken") for name in names if name in still}


def _passed_over(said: str) -> list[str]:
    return [name for name in _PASSED_OVER.findall(said) if name.startswith(_OWN)]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _halved(repository: Repository, ids: Mapping[str, str]) -> dict[str, Tip]:
    """Halves until the refs that git can't tell about stand alone."""
    names = list(ids)
    if not names:
        return {}
    try:
        return {name: tip for name, tip in _tips(repository, names).items() if name in ids}
    except GitError:
        if len(names) == 1:
            return {names[0]: Tip(id=ids[names[0]], kind="broken")}
    middle = len(names) // 2
    parts = (names[:middle], names[middle:])
    return {
        name: tip for part in parts for name, tip in _halved(repository, {n: ids[n] for n in part}).items()
    }
