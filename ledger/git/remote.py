"""Other repositories: what they hold, fetching from them, sending to them; outcomes are values, never prose.

A remote is a name from git's configuration, so that no URL ever comes from data. Nothing here writes the
configuration, prunes, deepens or filters, and no setting of the user's makes it do so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ledger.errors import NotFoundError, RemoteError
from ledger.git.process import Outcome, Repository, lines

_CLOSED = ("-c", "protocol.ext.allow=never", "-c", "protocol.fd.allow=never")
"""Transports that run a command, or talk to whoever started us."""
_FETCH = (
    *_CLOSED,
    "-c", "fetch.fsckObjects=true",
    "-c", "fetch.writeCommitGraph=false",
    "-c", "core.fsync=all",
    "fetch", "--quiet", "--no-tags", "--no-prune", "--no-prune-tags", "--no-write-fetch-head", "--refmap=",
    "--no-filter", "--no-recurse-submodules", "--no-auto-maintenance", "--no-show-forced-updates",
)  # fmt: skip
_PUSH = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
_AT_ONCE = 1_000
"""Refs in one push: each is some hundred bytes of a command line, at most 650, and the shortest lines hold a megabyte."""
_TIPS = 400
"""Commits that a negotiation begins with."""
_NOISE = re.compile(
    r"^(warning: |hint: |remote: *$|To |error: failed to push some refs|fatal: the remote end hung up)"
)
_KEYS = re.compile(r"Permission denied|could not read (Username|Password)|Authentication failed|403|401")
_ABSENT = re.compile(
    r"does not appear to be a git repository|[Rr]epository .*not found|Could not resolve host"
)
_MALFORMED = re.compile(
    r"fsck error|did not send all necessary objects|missing (?:blob|tree|commit)|unable to read|bad object|corrupt"
)
_CONTENDED = re.compile(
    r"stale info|non-fast-forward|fetch first|needs force|cannot lock|failed to (update|lock|write)|incorrect old"
    r"|already exists|atomic|transaction|failed to report|cannot update|unable to resolve|timed? ?out|try again"
)


class MalformedError(RemoteError):
    """What a remote holds, or lacks, is refused by git itself (`fetch.fsckObjects`)."""


def names(repository: Repository) -> list[str]:
    """The remotes that git's configuration names."""
    return lines(repository.git("remote"))


def require(repository: Repository, name: str) -> str:
    """The name, if git knows it. Raises NotFoundError: a URL or a path is no remote."""
    known = names(repository)
    if name not in known:
        raise NotFoundError(
            f"no such remote: {name}",
            hint=f"one of {', '.join(known)}" if known else "git remote add origin URL",
        )
    return name


def refspecs(repository: Repository, name: str, which: str) -> list[str]:
    """What the configuration has git fetch from a remote, or push to it."""
    output = repository.git("config", "-z", "--get-all", f"remote.{name}.{which}", accept=(0, 1))
    return output.decode("utf-8", "surrogateescape").split("\0")[:-1]


def is_mirror(repository: Repository, name: str) -> bool:
    """Whether `git push` makes the remote an image of this clone, deleting what is not here."""
    words = ("config", "--type=bool", "--get", f"remote.{name}.mirror")
    return repository.git(*words, accept=(0, 1, 128)).strip() == b"true"


def look(
    repository: Repository, name: str, patterns: Sequence[str], *, keep: tuple[int, ...] = ()
) -> dict[str, str]:
    """Refs of the remote under some prefixes (`refs/runs/`), with their ids. Raises RemoteError."""
    words = (*_CLOSED, "ls-remote", "--refs", "--quiet", "--end-of-options", name)
    done = repository.outcome(*words, *(f"{prefix}*" for prefix in patterns), keep=keep)
    if done.code:
        raise _trouble(name, done)
    pairs = (line.split("\t") for line in lines(done.stdout))
    return {ref: oid for oid, ref in pairs if ref.startswith(tuple(patterns))}


def fetch(
    repository: Repository,
    name: str,
    refs: Sequence[str],
    *,
    have: Iterable[str],
    keep: tuple[int, ...] = (),
) -> None:
    """Bring what refs of the remote reach; no ref is written. `have` are the only commits that it is told of.

    Raises RemoteError; MalformedError where trying again is of no use.
    """
    tips = sorted(set(have))
    told = [f"--negotiation-tip={tip}" for tip in tips[:_TIPS]]
    silent = () if tips else ("-c", "fetch.negotiationAlgorithm=noop")
    words = (*silent, *_FETCH, *told, "--stdin", "--end-of-options", name)
    stdin = "".join(f"{ref}\n" for ref in refs).encode("utf-8", "surrogateescape")
    done = repository.outcome(*words, stdin=stdin, keep=keep)
    if done.code:
        found = _trouble(name, done)
        if _MALFORMED.search(done.stderr):
            raise MalformedError(found.message, hint="it has to be mended there", details=found.details)
        raise found


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A ref of the remote that is to become `new`, if it still is `old` (None: it must not exist)."""

    ref: str
    new: str | None
    """None: it is to be deleted."""
    old: str | None


class Fate(Enum):
    TAKEN = "taken"
    CONTENDED = "contended"
    """Somebody else was first, or is at it: worth another try."""
    REFUSED = "refused"
    """The server does not want it."""
    UNKNOWN = "unknown"
    """It did not say: only a look tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a remote said about a push. It is not believed: a look tells what became of it."""

    fates: Mapping[str, Fate]
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By ref, for what was not taken."""
    said: str = ""
    """Everything on standard error: the messages of hooks among it."""
    trouble: RemoteError | None = None
    """It broke off."""
    shut: bool = False
    """And will again: it lets this user in to read at most."""


def send(
    repository: Repository,
    name: str,
    wishes: Sequence[Wish],
    *,
    negotiate: bool = False,
    dry_run: bool = False,
    keep: tuple[int, ...] = (),
) -> Sent:
    """One push, each ref for itself, with a lease on the value that is replaced."""
    fates: dict[str, Fate] = {}
    reasons: dict[str, str] = {}
    said, trouble, shut = "", None, False
    for start in range(0, len(wishes), _AT_ONCE):
        part = wishes[start : start + _AT_ONCE]
        done = repository.outcome(*_words(name, part, negotiate=negotiate, dry_run=dry_run), keep=keep)
        found = _fates(done)
        fates.update({wish.ref: found.get(wish.ref, (Fate.UNKNOWN, ""))[0] for wish in part})
        reasons.update({ref: reason for ref, (fate, reason) in found.items() if fate is not Fate.TAKEN})
        said += done.stderr
        if done.code and not found:
            trouble = _trouble(name, done)
            shut = shut or bool(_KEYS.search(done.stderr) or _ABSENT.search(done.stderr))
    return Sent(fates=fates, reasons=reasons, said=said, trouble=trouble, shut=shut)


def _words(name: str, wishes: Sequence[Wish], *, negotiate: bool, dry_run: bool) -> tuple[str, ...]:
    leases = [f"--force-with-lease={wish.ref}:{wish.old or ''}" for wish in wishes]
    unmirrored = () if "=" in name else ("-c", f"remote.{name}.mirror=false")
    return (
        *_CLOSED,
        "-c",
        f"push.negotiate={'true' if negotiate else 'false'}",
        *unmirrored,
        *_PUSH,
        *(("--dry-run",) if dry_run else ()),
        *leases,
        "--end-of-options",
        name,
        *(f"{wish.new or ''}:{wish.ref}" for wish in wishes),
    )


def _fates(done: Outcome) -> dict[str, tuple[Fate, str]]:
    """By ref of the remote: `<flag> TAB <from>:<to> TAB <summary> (<reason>)`, as git-push --porcelain documents it."""
    found = {}
    for line in lines(done.stdout):
        flag, _, rest = line.partition("\t")
        pair, tab, summary = rest.partition("\t")
        if len(flag) == 1 and tab:
            found[pair.rpartition(":")[2]] = (_fate(flag, summary), summary)
    return found


def _fate(flag: str, summary: str) -> Fate:
    if flag != "!":
        return Fate.TAKEN
    if "remote failure" in summary:
        return Fate.UNKNOWN
    return Fate.CONTENDED if _CONTENDED.search(summary) else Fate.REFUSED


def _trouble(name: str, done: Outcome) -> RemoteError:
    told = [line for line in done.stderr.splitlines() if line.strip() and not _NOISE.match(line)]
    first = next((line for line in told if line.startswith(("fatal: ", "error: "))), (told or ["?"])[0])
    return RemoteError(
        f"{name}: {first.removeprefix('fatal: ').removeprefix('error: ')}",
        hint=_hint(name, done.stderr),
        details=tuple(line for line in told if line != first)[:10],
    )


def _hint(name: str, said: str) -> str:
    if _KEYS.search(said):
        return f"git can't log in by itself: does `git ls-remote {name}` work without asking?"
    if _ABSENT.search(said):
        return f"`git remote get-url {name}` says where git looks"
    return "nothing is lost; try again"
