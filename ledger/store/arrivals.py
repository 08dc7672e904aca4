"""What came to the chains, and what went, since the tips that an index was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ledger.errors import GitError
from ledger.git import objects
from ledger.git.process import Repository
from ledger.store import codec, together


class Commit(NamedTuple):
    """Of a chain. There are millions: a tuple is made in half the time."""

    ref: str
    id: str
    tree: str


def differences(
    repository: Repository, old: Mapping[str, str], new: Mapping[str, str]
) -> tuple[list[Commit] | None, list[str], dict[str, str]]:
    """Commits that came, oldest first, ids of those that went, and refs that can't be followed.

    None for the first when it must be all anew.
    """
    came: list[Commit] = []
    went: list[str] = []
    broken: dict[str, str] = {}
    followed = together.grown(repository, new, old, form="%T")
    for ref in sorted({*old, *new}):
        before, after = old.get(ref), new.get(ref)
        if before == after:
            continue
        if ref in followed:
            came += [Commit(ref, one.id, one.told) for one in reversed(followed.pop(ref))]
            continue
        if after is None:
            try:
                went += _alone(repository, str(before), new.values())
            except GitError:
                return None, [], {}
            continue
        if before is None:
            commits, problem = _whole_chain(repository, ref, after)
            came += commits
            broken.update({ref: problem} if problem else {})
            continue
        words = (f"{before}...{after}", "--left-right")
        try:
            # Not --topo-order: chains are lines, and beside a commit-graph it walks them to their beginning.
            output = repository.git("log", "--reverse", "--format=%m %H %T", *words, "--")
        except GitError:
            return None, [], {}  # the old tip is gone
        for line in output.decode().splitlines():
            mark, commit, tree = line.split(" ")
            if mark == ">":
                came.append(Commit(ref, commit, tree))
            else:
                went.append(commit)
    return came, went, broken


def _alone(repository: Repository, tip: str, others: Iterable[str]) -> list[str]:
    """Commits of a deleted ref that no other ref reaches."""
    asked = "".join(f"{word}\n" for word in (tip, *(f"^{other}" for other in others)))
    return repository.git("rev-list", "--stdin", stdin=asked.encode()).decode().split()


def placed(repository: Repository, refs: Mapping[str, str]) -> list[Commit]:
    """Commits that are known to be on refs (commit → ref), with their trees. Raises GitError."""
    if not refs:
        return []  # git would fall back on HEAD, which a repository may not have yet
    asked = "".join(f"{commit}\n" for commit in refs).encode()
    words = ("log", "--no-walk=unsorted", "--format=%H %T", "--stdin")
    rows = (line.split(" ") for line in repository.git(*words, stdin=asked).decode().splitlines())
    return [Commit(refs[commit], commit, tree) for commit, tree in rows]


def _whole_chain(repository: Repository, ref: str, tip: str) -> tuple[list[Commit], str]:
    """All commits of a chain, oldest first; where one can't be read, those above it, and what git says of it."""
    try:
        output = repository.git("log", "--reverse", "--topo-order", "--format=%H %T", tip, "--")
        problem = ""
    except GitError as error:
        problem = f"can't be followed to its beginning: {error.stderr.strip() or error.message}"
        return list(_above_the_hole(repository, ref, tip))[::-1], problem
    rows = (line.split(" ") for line in output.decode().splitlines())
    return [Commit(ref, commit, tree) for commit, tree in rows], problem


def _above_the_hole(repository: Repository, ref: str, tip: str) -> Iterator[Commit]:
    """Commit by commit, newest first: git itself stops one too early, when it looks ahead."""
    current = tip
    with objects.reader(repository, max_bytes=codec.MAX_BYTES[codec.RUN]) as bulk:
        while current:
            body = bulk.read([current])[0]
            if body is None or body.kind != "commit":
                return
            head = body.body.partition(b"\n\n")[0].decode("utf-8", "replace").split("\n")
            words = [line.partition(" ") for line in head]
            yield Commit(ref, current, next((value for key, _, value in words if key == "tree"), ""))
            current = next((value for key, _, value in words if key == "parent"), "")
