"""Make anew what is derived: the index, caches beside it, and the refs that keep code alive. Records are never touched."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

from ledger.errors import GitError
from ledger.git import history, objects, refs
from ledger.git.process import Repository
from ledger.store import chain, index, keeping, unreadable
from ledger.store.slug import CODE, RUNS
from ledger.store.verify.walk import Seen

_CACHES = ("index-v*", "cache", unreadable.NAME)


def repair(repository: Repository, records: Mapping[str, Seen]) -> list[str]:
    """What was made anew, in words."""
    done = [
        f"kept {count} code commits on {CODE}{slug}" for slug, count in _code(repository, records).items()
    ]
    for pattern in _CACHES:
        for path in repository.folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    chain.drain(repository)
    count = len(index.load(repository))
    return [*done, f"made the index of {count:,} records anew"]


def _code(repository: Repository, records: Mapping[str, Seen]) -> dict[str, int]:
    """Code commits that are here, and that no ref keeps: how many now are, by experiment."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for seen in records.values():
        commit = seen.code.get("snapshot") or seen.code.get("commit")
        if isinstance(commit, str) and seen.ref.startswith(RUNS):
            wanted[seen.ref.removeprefix(RUNS)].add(commit)
    kept: dict[str, int] = {}
    for slug, commits in wanted.items():
        with suppress(GitError):  # a code ref that can't be read: verify names it
            count = _keep(repository, slug, commits)
            kept |= {slug: count} if count else {}
    return kept


def _keep(repository: Repository, slug: str, commits: set[str]) -> int:
    ref = CODE + slug
    tip = refs.tips(repository, ref).get(ref)
    if tip is not None and tip.kind != "commit":
        return 0
    gone = set(objects.missing(repository, commits))
    here = [commit for commit in sorted(commits) if commit not in gone]
    lacking = history.outermost(repository, here, [tip.id] if tip else []) if here else []
    made = keeping.kept(lacking, int(time.time()), tip, repository.object_format) if lacking else []
    if made:
        with objects.held(repository, made):
            update = refs.RefUpdate(ref=ref, new=made[-1].id, old=tip.id if tip else None)
            refs.update(repository, [update], reason="ledger: kept again")
    return len(lacking)
