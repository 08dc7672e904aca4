"""The code of a run: captured from the work tree, or named as a revision. It never costs a run its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ledger.canonical import readable
from ledger.config import Workspace
from ledger.errors import GitError, LedgerError, RefusedError
from ledger.git import bulk, history, refs, worktree
from ledger.git.process import Repository
from ledger.model import Code
from ledger.store.slug import normal

CI_BRANCH_VARIABLES = (
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_COMMIT_REF_NAME",
    "BUILDKITE_BRANCH",
    "CIRCLE_BRANCH",
    "TRAVIS_PULL_REQUEST_BRANCH",
    "TRAVIS_BRANCH",
    "BITBUCKET_BRANCH",
    "DRONE_SOURCE_BRANCH",
    "CHANGE_BRANCH",
    "BRANCH_NAME",
    "BUILD_SOURCEBRANCHNAME",
)
"""Where CI systems say which branch a detached HEAD stands for, the more specific first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    code: Code
    pack: bytes = field(default=b"", repr=False)
    """The objects of the snapshot, to be sealed with the run."""
    warnings: tuple[str, ...] = ()

    @property
    def keep_alive(self) -> tuple[str, ...]:
        """Commits that must not be collected while the run is there."""
        return (self.code.snapshot,) if self.code.snapshot else (self.code.commit,)


def capture(workspace: Workspace, *, own_files: Sequence[str], moment: str = "end") -> Captured:
    """The code as it is in the work tree now. Raises RefusedError where there is no commit to tie a run to."""
    repository, config = workspace.repository, workspace.config
    ignored = own_paths(repository, own_files)
    state = worktree.status(repository, ignored=ignored, paths=config.code_paths)
    if state.commit is None:
        raise RefusedError(
            "no commit yet: a run is tied to the code that made it", hint="git add and git commit first"
        )
    warnings = [
        f"untracked source file, not part of the recorded code: {path}"
        for path in state.untracked_sources[:5]
    ]
    if len(state.untracked_sources) > len(warnings):
        warnings.append(f"and {len(state.untracked_sources) - len(warnings)} more untracked source files")
    snapshot, problem = _snapshot(workspace, state, ignored)
    if problem:
        kept = "were not all kept" if snapshot else "were not kept"
        warnings.append(f"uncommitted changes {kept}: {problem}")
    code = Code(
        commit=state.commit,
        branch=state.branch,
        dirty=bool(state.changed),
        captured=moment,
        snapshot=snapshot.commit if snapshot else None,
        snapshot_tree=snapshot.tree if snapshot else None,
        ignored=ignored,
        problem=problem,
        **_facts(workspace, state.commit, state.branch),
    )
    return Captured(code=code, pack=snapshot.pack if snapshot else b"", warnings=tuple(warnings))


def of_revision(workspace: Workspace, revision: str) -> Captured:
    """The code as a commit has it: for runs that are recorded afterwards, or elsewhere. Raises NotFoundError."""
    found = of_revisions(workspace, [revision]).get(revision)
    if found is None:
        commit = history.resolve(workspace.repository, revision)  # raises, and says why
        found = of_revisions(workspace, [commit])[commit]
    return found


def of_head(workspace: Workspace) -> Captured:
    """The code as HEAD has it, with its branch: where there is no work tree to look at. Raises NotFoundError."""
    found = of_revision(workspace, "HEAD")
    try:
        branch = workspace.repository.git("symbolic-ref", "--quiet", "--short", "HEAD").decode().strip()
    except GitError:
        return found  # detached
    return replace(found, code=replace(found.code, branch=branch))


def of_revisions(workspace: Workspace, revisions: Iterable[str]) -> dict[str, Captured]:
    """The code as each of many commits has it; a revision that names none is left out."""
    found = bulk.peeled(workspace.repository, revisions)
    _, tip = _default_branch(workspace, _tips(workspace, None))
    trees = {named.commit: named.tree for named in found.values()}
    facts = _facts_of(workspace.repository, trees, tip)
    return {
        revision: Captured(code=Code(commit=named.commit, captured="start", **facts[named.commit]))
        for revision, named in found.items()
    }


def own_paths(repository: Repository, files: Sequence[str]) -> tuple[str, ...]:
    """Files that were given to a run, as sorted paths from the top; those outside the work tree don't matter."""
    top = repository.work_tree
    if top is None:
        return ()
    inside = set()
    for name in files:
        path = Path(name) if Path(name).is_absolute() else Path.cwd() / name
        try:
            inside.add(path.resolve().relative_to(top.resolve()).as_posix())
        except (ValueError, OSError):
            continue
    return tuple(sorted(inside))


def _snapshot(
    workspace: Workspace, state: worktree.WorkTree, ignored: Sequence[str]
) -> tuple[worktree.Snapshot | None, str | None]:
    if not state.changed:
        return None, None
    if not workspace.config.snapshot:
        return None, "ledger.snapshot is off"
    try:
        made = worktree.snapshot(
            workspace.repository,
            state,
            ignored=ignored,
            untracked=workspace.config.snapshot_untracked,
            max_bytes=workspace.config.snapshot_max_bytes,
        )
    except (LedgerError, OSError) as error:
        return None, str(error)
    note = "changes inside submodules are not part of it" if state.submodules else None
    return made, note


_known_facts: dict[tuple[Path, str, str | None], Mapping[str, Any]] = {}
"""By repository, commit, and the commit that it is compared with: what follows from those never changes."""


def _facts(workspace: Workspace, commit: str, branch: str | None) -> Mapping[str, Any]:
    """Tree, merge base and patch id of the commit that is checked out."""
    repository = workspace.repository
    tips = _tips(workspace, branch)
    default, tip = _default_branch(workspace, tips)
    against = commit if branch and branch == default else tip
    known = _known_facts.get((repository.common_dir, commit, against))
    if known is not None:
        return known
    own = next((found.tree for found in tips.values() if found.id == commit), None)
    return _facts_of(repository, {commit: own or history.tree_of(repository, commit)}, against)[commit]


def _facts_of(
    repository: Repository, trees: Mapping[str, str], tip: str | None
) -> dict[str, Mapping[str, Any]]:
    """Tree, merge base with `tip` and patch id of commits whose trees are known."""
    keys = {commit: (repository.common_dir, commit, tip) for commit in trees}
    lacking = [commit for commit, key in keys.items() if key not in _known_facts]
    bases = bulk.merge_bases(repository, lacking, tip) if tip else {}
    patches = bulk.patch_ids(repository, {commit: base for commit, base in bases.items() if base != commit})
    for commit in lacking:
        facts = {"tree": trees[commit], "base": bases.get(commit), "patch_id": patches.get(commit)}
        _known_facts[keys[commit]] = facts
    return {commit: _known_facts[key] for commit, key in keys.items()}


_REMOTE_HEAD = "refs/remotes/origin/HEAD"


def _defaults(workspace: Workspace) -> list[str]:
    configured = workspace.config.default_branch
    return [f"refs/heads/{configured}"] if configured else ["refs/heads/main", "refs/heads/master"]


def _tips(workspace: Workspace, branch: str | None) -> dict[str, refs.Tip]:
    """The branch that is checked out, and all that may be the default one, in one look."""
    own = [f"refs/heads/{branch}"] if branch else []
    return refs.tips(workspace.repository, _REMOTE_HEAD, *_defaults(workspace), *own)


def _default_branch(workspace: Workspace, tips: Mapping[str, refs.Tip]) -> tuple[str | None, str | None]:
    """Name and tip of the branch that others start from: the setting, the remote's HEAD, main or master."""
    head = None if workspace.config.default_branch else tips.get(_REMOTE_HEAD)
    if head is not None:
        return head.symbolic.rpartition("/")[2] or None, head.id
    for ref in _defaults(workspace):
        if ref in tips:
            return ref.removeprefix("refs/heads/"), tips[ref].id
    return None, None


def experiment_name(asked: str | None, branch: str | None, environ: Mapping[str, str]) -> str:
    """The experiment that a run belongs to: asked for, set for the process, the branch, or what CI calls it.

    Raises RefusedError when nothing says it.
    """
    ci = (
        next((environ[name] for name in CI_BRANCH_VARIABLES if environ.get(name)), None)
        if not branch
        else None
    )
    name = asked or environ.get("LEDGER_EXPERIMENT") or readable(branch or ci or "")
    if not name:
        raise RefusedError(
            "detached HEAD: no branch says which experiment this is", hint="give it a name: --experiment NAME"
        )
    return normal(name)
