"""What is wrong with a clone, or about to go wrong, and what to do about it. Changes nothing, asks no network."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ledger.config import Workspace
from ledger.errors import FormatError, LedgerError
from ledger.git import refs, remote
from ledger.share import code, git_releases
from ledger.share.hook_checks import hooks
from ledger.share.problem import Problem, warning
from ledger.share.session import home, local
from ledger.share.standing import rewinds
from ledger.store import aftercare, lock
from ledger.store.slug import RUNS
from ledger.store.spool import Spool

_OLDEST_GIT = (2, 36)
_STALE_SECONDS = 600
_LOOSE_LIMIT = 6_700
"""git's own gc.auto."""
_LOCKS = ("packed-refs.lock", "shallow.lock", "config.lock", "reftable/tables.list.lock")
"""Those that keep a fetch or a record from writing, beside the refs' own."""
_OURS = ("refs/runs/x", "refs/ledger/x", "refs/ledger/pins/x/x")


def examine(workspace: Workspace) -> list[Problem]:
    """Every check, in order; one that can't be made is a problem too."""
    found: list[Problem] = []
    for check in CHECKS:
        try:
            found += check(workspace)
        except (LedgerError, OSError) as error:
            found.append(Problem(code="check-failed", what=str(error), hint=getattr(error, "hint", "")))
    return found


def _git_version(workspace: Workspace) -> Iterator[Problem]:
    said = workspace.repository.git("version").decode("utf-8", "replace").strip()
    version = git_releases.parsed(said)
    if version is None:
        return
    if version[:2] < _OLDEST_GIT:
        oldest = ".".join(map(str, _OLDEST_GIT))
        yield Problem(
            code="old-git",
            what=f"{said} is too old",
            hint=f"ledger needs git {oldest}: before it, git can't be told to make refs durable",
        )
    for fix in git_releases.lacking(version, git_releases.mended_by_distribution()):
        first = next((one for one in fix.first if one > version), fix.first[-1])
        yield warning(
            "vulnerable-git",
            f"{said} lacks the fix of {', '.join(fix.names)}: {fix.about}",
            f"git {'.'.join(map(str, first))} has it; so may your distribution's: apt changelog git, rpm -q --changelog git",
        )


def _refspecs(workspace: Workspace) -> Iterator[Problem]:
    """Fetches and pushes that overwrite or delete runs."""
    repository = workspace.repository
    for name in remote.names(repository):
        for spec in remote.refspecs(repository, name, "fetch"):
            if _writes_runs(spec):
                yield Problem(
                    code="fetch-overwrites-runs",
                    what=f"`git fetch {name}` overwrites unpublished runs, and deletes them when it prunes: {spec}",
                    hint=f"git config --unset-all remote.{name}.fetch {_quoted(spec)}; ledger init --remote {name}",
                )
        if remote.is_mirror(repository, name):
            yield Problem(
                code="push-mirrors",
                what=f"`git push {name}` deletes the runs of others there: remote.{name}.mirror is set",
                hint=f"git config --unset remote.{name}.mirror",
            )
        for spec in remote.refspecs(repository, name, "push"):
            if spec.startswith(("+", ":")) and _writes_runs(spec):
                yield Problem(
                    code="push-overwrites-runs",
                    what=f"`git push {name}` overwrites or deletes the runs of others there: {spec}",
                    hint=f"git config --unset-all remote.{name}.push {_quoted(spec)}",
                )


def _writes_runs(spec: str) -> bool:
    """Whether a refspec's right side can be a ref of ledger's own; tracking refs are there to be fetched into."""
    target = spec.lstrip("+^").partition(":")[2]
    begin, star, end = target.partition("*")
    if not star:
        return target.startswith(RUNS)
    return any(ref.startswith(begin) and ref.endswith(end) for ref in _OURS)


def _quoted(spec: str) -> str:
    return f"'^{re.escape(spec)}$'"


def _locks(workspace: Workspace) -> Iterator[Problem]:
    common = workspace.repository.common_dir
    places = [common / name for name in _LOCKS]
    for part in ("refs/runs", "refs/ledger"):
        places += (common / part).rglob("*.lock") if (common / part).is_dir() else []
    for path in places:
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                yield Problem(
                    code="stale-lock",
                    what=f"{path} was left by a process that is gone, or hangs",
                    hint=f"if no git is at work here: rm {path}",
                )
    for name in ("lock", "sync.lock"):
        yield from _holder(common / "ledger" / name)


def _holder(path: Path) -> Iterator[Problem]:
    found = lock.holder(path)
    if found is not None and found.alive is False:
        yield Problem(
            code="unfinished-work",
            what=f"process {found.pid} ended while it was writing",
            hint="ledger recover" if path.name == "lock" else "ledger push",
        )


def _loose(workspace: Workspace) -> Iterator[Problem]:
    count = int(workspace.repository.git("count-objects").split()[0])
    if count > _LOOSE_LIMIT:
        yield Problem(code="loose-objects", what=f"{count:,} loose objects make git slow", hint="git gc")


def _expiry(workspace: Workspace) -> Iterator[Problem]:
    words = ("config", "--get", "gc.pruneExpire")
    if workspace.repository.git(*words, accept=(0, 1)).strip() in (b"now", b"all"):
        yield Problem(
            code="prunes-at-once",
            what="gc.pruneExpire deletes objects while they are being written",
            hint="git config --unset gc.pruneExpire",
        )


def _chains(workspace: Workspace) -> Iterator[Problem]:
    for ref, tip in refs.tips(workspace.repository, RUNS).items():
        try:
            aftercare.require_chain(ref, tip)
        except FormatError as error:
            yield Problem(code="no-chain", what=error.message, hint=error.hint)


def _waiting(workspace: Workspace) -> Iterator[Problem]:
    spool = Spool.of(workspace.repository)
    pending = len(spool.pending())
    if pending:
        yield Problem(
            code="waiting", what=f"{pending} sealed files are not on their refs", hint="ledger recover"
        )


def _remote(workspace: Workspace) -> Iterator[Problem]:
    if workspace.config.push_code not in code.CHOICES:
        yield Problem(
            code="push-code",
            what=f"ledger.pushCode is {workspace.config.push_code}: no code is published",
            hint=f"one of {', '.join(code.CHOICES)}",
        )
    name = home(workspace)
    if name is None:
        return
    here = local(workspace.repository, name)
    rewound = rewinds(workspace.repository, here)
    if rewound:
        yield Problem(
            code="rewound-remote",
            what=f"{name} was rewound: {', '.join(sorted(rewound))} lacks runs that were there, or is gone",
            hint="ask who did it; `ledger pull --accept-rewind`, then `ledger push`, brings them back",
        )
    if here.quarantine:
        yield Problem(
            code="quarantine",
            what=f"{name} refused records of {', '.join(sorted(here.quarantine))}",
            hint="ledger status; mend what it complained of, then ledger push --retry",
        )


CHECKS: tuple[Callable[[Workspace], Iterator[Problem]], ...] = (
    _git_version,
    _refspecs,
    hooks,
    _locks,
    _loose,
    _expiry,
    _chains,
    _waiting,
    _remote,
)
"""In the order in which they are told."""
