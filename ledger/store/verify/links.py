"""What records name: the records that they edit, and their code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from ledger.errors import GitError, LedgerError
from ledger.git import history, refs, requests
from ledger.store import codec, link_log
from ledger.store.slug import CODE, RUNS
from ledger.store.verify.walk import Seen, Walk

_KEEPING = ("refs/heads/", "refs/tags/", "refs/remotes/", *requests.REFS, requests.FETCHED)
"""Where code is kept alive, beside ledger's own refs for it."""


def edits(walk: Walk) -> None:
    """What an edit was made from are records of the same run; one that is not here was made elsewhere: no fault."""
    settled: set[str] = set()
    for record, seen in walk.records.items():
        for name in seen.bases:
            _edited(walk, seen, name)
        if _circle(walk, record, settled):
            walk.fault("edits that lead in a circle", ref=seen.ref, commit=seen.commit, path=codec.RUN)


def _edited(walk: Walk, seen: Seen, name: str) -> None:
    base = walk.records.get(name)
    if base is None:
        walk.note(f"edits the record {name[:12]}, which is not here", ref=seen.ref, commit=seen.commit)
    elif base.run != seen.run:
        what = f"edits the record {name[:12]}, which belongs to the run {base.run[:8]}"
        walk.fault(what, ref=seen.ref, commit=seen.commit, path=codec.RUN)


def firsts(walk: Walk) -> None:
    """A run has one record that edits no other: two are one run that was recorded twice."""
    first: dict[str, str] = {}
    for record, seen in walk.records.items():
        if not seen.bases and first.setdefault(seen.run, record) != record:
            what = f"the run {seen.run[:8]} was recorded twice: {first[seen.run][:12]} and {record[:12]} edit no record"
            walk.fault(what, ref=seen.ref, commit=seen.commit, path=codec.RUN)


def made_by_hand(walk: Walk) -> None:
    """The log of links between code commits, and of runs that were put somewhere by hand."""
    tip = refs.tips(walk.repository, link_log.REF).get(link_log.REF)
    if tip is None:
        return
    if tip.kind != "commit":
        walk.fault(f"not a log of links: {tip.nature}", ref=link_log.REF, commit=tip.id)
        return
    try:
        walk.faults += link_log.read(walk.repository, tip.id).faults
    except GitError as error:
        walk.fault(f"can't be followed: {error.message}", ref=link_log.REF, commit=tip.id)


def _circle(walk: Walk, record: str, settled: set[str]) -> bool:
    """Whether a record descends from itself, or from one that does; `settled` are those looked at before."""
    line: set[str] = set()
    waiting = [(record, False)]
    while waiting:
        current, done = waiting.pop()
        if done:
            line.remove(current)
            settled.add(current)
        elif current in line:
            settled |= line
            return True
        elif current in walk.records and current not in settled:
            line.add(current)
            waiting.append((current, True))
            waiting.extend((name, False) for name in walk.records[current].bases)
    return False


def code(walk: Walk) -> None:
    """The code commits are there, have the trees that the runs name, and some ref keeps them."""
    by_commit: dict[str, tuple[Seen, str | None]] = {}
    for seen in walk.records.values():
        code = seen.code
        for commit, tree in (
            (code.get("snapshot"), code.get("snapshot_tree")),
            (code.get("commit"), code.get("tree")),
        ):
            if commit and commit not in by_commit:
                by_commit[commit] = (seen, tree)
    present = _code_trees(walk, by_commit)
    kept = {seen.code.get("snapshot") or seen.code.get("commit") for seen in walk.records.values()}
    _kept(walk, [commit for commit in present if commit in kept], by_commit)


def _code_trees(walk: Walk, by_commit: Mapping[str, tuple[Seen, str | None]]) -> list[str]:
    """The code commits that are here, after a look at their trees."""
    if not by_commit:
        return []
    asked = "".join(f"{commit}^{{tree}}\n" for commit in by_commit).encode()
    output = walk.repository.git("cat-file", "--batch-check=%(objectname)", "--buffer", stdin=asked).decode()
    present, absent = [], 0
    for (commit, (seen, tree)), line in zip(by_commit.items(), output.splitlines(), strict=True):
        if line.endswith(" missing"):
            absent += 1
            continue
        present.append(commit)
        if tree and line != tree:
            what = f"the code commit {commit[:12]} has the tree {line[:12]}, run.json says {tree[:12]}"
            walk.fault(what, ref=seen.ref, commit=seen.commit, path=codec.RUN)
    if absent:
        walk.note(f"{absent:,} code {'commit is' if absent == 1 else 'commits are'} not in this repository")
    return present


def _kept(walk: Walk, commits: Sequence[str], by_commit: Mapping[str, tuple[Seen, str | None]]) -> None:
    tips = []
    for ref, tip in refs.tips(walk.repository, CODE, *_KEEPING).items():
        if tip.kind in ("commit", "tag"):
            tips.append(tip.id)
        elif ref.startswith(CODE):
            walk.fault(f"keeps no code commits: {tip.nature}", ref=ref, commit=tip.id)
    with suppress(LedgerError):  # a detached HEAD keeps commits, too
        tips.append(history.resolve(walk.repository, "HEAD"))
    lost = history.not_reached(walk.repository, commits, tips) if commits else []
    for commit in lost:
        seen = by_commit[commit][0]
        what = f"no ref keeps the code commit {commit[:12]}: git gc will delete it"
        walk.fault(what, ref=seen.ref.replace(RUNS, CODE, 1), commit=seen.commit)
