"""The history of the code: commits in git's order, what revisions mean, patch ids, reachability."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from ledger.errors import GitError, NotFoundError, UsageError
from ledger.frozen import frozen
from ledger.git.process import Repository, lines
from ledger.ids import is_object_id

_PAIR = re.compile(r"(?:^|(?<=[\0\n]))[0-9a-f]{40,64} [0-9a-f]{40,64}\n")
_MOST_WORDS = 1_000
"""Revisions that go on a command line, which is bounded."""
_FORMAT = "%H%x00%T%x00%P%x00%at%x00%aI%x00%an%x00%s%x00"


@frozen(kw_only=False)
class CodeCommit:
    id: str
    tree: str
    parents: tuple[str, ...]
    seconds: int
    """Author time since 1970."""
    date: str
    """Author time, ISO 8601."""
    author: str
    subject: str


@frozen()
class Range:
    """A revision range resolved to ids."""

    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    def words(self) -> tuple[str, ...]:
        return (*self.include, *(f"^{commit}" for commit in self.exclude))


def resolve(repository: Repository, revision: str) -> str:
    """The commit that one revision names. Raises NotFoundError."""
    try:
        return (
            repository.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            .decode()
            .strip()
        )
    except GitError as error:
        raise NotFoundError(
            f"no such revision: {revision}",
            hint="name a branch, a tag or a commit (`git log --oneline` lists them)",
        ) from error


def _is_unborn(repository: Repository) -> bool:
    return not repository.git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", accept=(0, 1))


def resolve_range(repository: Repository, revisions: Sequence[str], *, everything: bool = False) -> Range:
    """What `main`, `main..exp/lr`, `a...b` or `^a b` stand for; nothing stands for HEAD.

    `everything` means all branches, tags and remote branches, as `git log --all` without ledger's own refs.
    """
    for word in revisions:
        if word.startswith("-"):
            raise UsageError(f"not a revision: {word}", hint="options come before revisions")
    words = [
        *(["--branches", "--tags", "--remotes"] if everything else []),
        *(revisions or ([] if everything else ["HEAD"])),
    ]
    flags = [word for word in words if word.startswith("--")]
    names = [word for word in words if not word.startswith("--")]
    try:
        # rev-parse prints an unknown word back instead of failing unless it is told that only revisions may come.
        output = repository.git("rev-parse", "--revs-only", *flags, *_verified(names), "--")
    except GitError as error:
        if not revisions and _is_unborn(repository):
            raise NotFoundError(
                "no commit yet, and so no history to trace along",
                hint="git commit, then ledger record; ledger log --all traces what is on other branches",
            ) from error
        known = " ".join(revisions) or "HEAD"
        raise NotFoundError(
            f"no such revision: {known}", hint="paths come after `--`: ledger log --metric f1 -- src/"
        ) from error
    ids = output.decode().split()
    if names and not ids:
        raise NotFoundError(f"no such revision: {' '.join(names)}", hint="`git branch -a` lists the branches")
    return Range(
        include=tuple(dict.fromkeys(word for word in ids if not word.startswith("^"))),
        exclude=tuple(dict.fromkeys(word[1:] for word in ids if word.startswith("^"))),
    )


def _verified(names: Sequence[str]) -> list[str]:
    """`--end-of-options` before the first name: git then takes no name for an option."""
    return ["--end-of-options", *names] if names else []


def walk(
    repository: Repository, revisions: Range, *, options: Sequence[str] = (), paths: Sequence[str] = ()
) -> list[CodeCommit]:
    """Commits of a range in git's order. `options` are git's own, chosen by us from a closed list."""
    if not revisions.include:
        return []
    words = _words(options)
    names = revisions.words()
    if len(names) > _MOST_WORDS:
        asked = "".join(f"{name}\n" for name in names).encode()
        return _commits(repository.git(*words, "--stdin", "--", *paths, stdin=asked))
    return _commits(repository.git(*words, "--end-of-options", *names, "--", *paths))


def _words(options: Sequence[str]) -> tuple[str, ...]:
    return ("log", f"--format={_FORMAT}", *options)


def _commits(output: bytes) -> list[CodeCommit]:
    fields = output.decode("utf-8", "replace").split("\0")
    return [
        CodeCommit(
            fields[i].lstrip("\n"), fields[i + 1], tuple(fields[i + 2].split()), int(fields[i + 3] or 0),
            fields[i + 4], fields[i + 5], fields[i + 6],
        )
        for i in range(0, len(fields) - 7, 7)
    ]  # fmt: skip


@contextmanager
def walk_ahead(
    repository: Repository, revisions: Range, *, options: Sequence[str] = ()
) -> Iterator[Callable[[], list[CodeCommit]]]:
    """`walk`, begun now: what is done before its commits are asked for is done while git reads them."""
    names = revisions.words()
    if not names or len(names) > _MOST_WORDS:
        yield lambda: walk(repository, revisions, options=options)
        return
    with repository.ahead(*_words(options), "--end-of-options", *names, "--") as output:
        yield lambda: _commits(output())


def tree_of(repository: Repository, commit: str) -> str:
    return repository.git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").decode().strip()


def merge_base(repository: Repository, one: str, other: str) -> str | None:
    output = repository.git("merge-base", "--end-of-options", one, other, accept=(0, 1)).decode().split()
    return output[0] if output else None


def reaches(repository: Repository, tip: str, commit: str) -> bool:
    """Whether a commit is `tip` or one that it goes on from; not where git can't tell."""
    return repository.outcome("merge-base", "--is-ancestor", commit, tip).code == 0


def not_reached(repository: Repository, commits: Sequence[str], tips: Sequence[str]) -> list[str]:
    """Those of `commits` that none of `tips` reaches."""
    found = _beyond(repository, commits, tips)
    return [commit for commit in commits if commit in found]


def outermost(repository: Repository, commits: Sequence[str], tips: Sequence[str]) -> list[str]:
    """Those of `commits` that neither `tips` nor any other of `commits` reaches."""
    wanted, found = frozenset(commits), []
    covered: set[str] = set()
    for commit, parents in beyond(repository, commits, tips).items():
        if commit in wanted and commit not in covered:
            found.append(commit)
        if commit in wanted or commit in covered:
            covered.update(parents)
    return found


def beyond(repository: Repository, commits: Iterable[str], tips: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Everything that `commits` reach and `tips` don't, with its parents: no commit before one that builds on it."""
    found = _beyond(repository, commits, tips)
    children = Counter(parent for parents in found.values() for parent in parents)
    ready = deque(commit for commit in found if not children[commit])
    ordered = {}
    while ready:
        commit = ready.popleft()
        ordered[commit] = found[commit]
        for parent in found[commit]:
            children[parent] -= 1
            if not children[parent] and parent in found:
                ready.append(parent)
    return ordered


def _beyond(
    repository: Repository, commits: Iterable[str], tips: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """As `beyond`, in any order.

    Not --topo-order: beside a commit-graph git then walks every commit that was made since that was written,
    however few are asked for.
    """
    asked = "".join(f"{word}\n" for word in (*commits, *(f"^{tip}" for tip in tips)))
    output = repository.git("rev-list", "--parents", "--stdin", stdin=asked.encode()).decode()
    rows = (line.split() for line in output.splitlines())
    return {commit: tuple(parents) for commit, *parents in rows}


def differing_paths(repository: Repository, pairs: Sequence[tuple[str, str]]) -> list[frozenset[str] | None]:
    """Paths in which two trees differ, pair by pair; None where git's answer could not be told apart."""
    if not pairs:
        return []
    asked = "".join(f"{one} {other}\n" for one, other in pairs).encode()
    words = ("diff-tree", "--stdin", "-r", "-z", "--name-only", "--no-renames")
    output = repository.git(*words, stdin=asked).decode("utf-8", "surrogateescape")
    # Each pair is repeated as `<one> <other>` and a newline; its paths follow, each ended by a NUL.
    paths: list[frozenset[str] | None] = [
        frozenset(part.split("\0")[:-1]) for part in _PAIR.split(output)[1:]
    ]
    return paths if len(paths) == len(pairs) else [None] * len(pairs)


def scoped_trees(repository: Repository, trees: Sequence[str], paths: Sequence[str]) -> dict[str, str]:
    """For each tree, one text that two trees share exactly when they hold the same below `paths`."""
    if not paths:
        return {tree: tree for tree in trees}
    unique = list(dict.fromkeys(trees))
    names = [name for tree in unique for name in (tree, *(f"{tree}:{path.strip('/')}" for path in paths))]
    found = identify(repository, names)
    width = 1 + len(paths)
    told = {tree: found[i * width : (i + 1) * width] for i, tree in enumerate(unique)}
    # A path that is not in a tree is a state like any other; a tree that is not here is like no other.
    return {
        tree: " ".join(part or "-" for part in parts[1:]) if parts[0] else tree
        for tree, parts in told.items()
    }


def identify(repository: Repository, names: Sequence[str]) -> list[str | None]:
    """Ids of objects by name (`HEAD:path`), in order; None where there is none."""
    asked = "".join(f"{name}\n" for name in names).encode()
    words = ("cat-file", "--batch-check=%(objectname)", "--buffer")
    answers = lines(repository.git(*words, stdin=asked))
    return [line if is_object_id(line) else None for line in answers]
