"""The records of a chain: trees, files, and whether ref, commit and run agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ledger.errors import FormatError, InputError
from ledger.git.objects import GitObject, TreeEntry, parse_tree
from ledger.store import codec
from ledger.store.newer import newer
from ledger.store.slug import RUNS, slug
from ledger.store.verify import content as check
from ledger.store.verify import digest
from ledger.store.verify.careful import read_carefully, sizes_of
from ledger.store.verify.chains import parsed
from ledger.store.verify.walk import MAX_READ, Commit, Seen, Walk, Wrong

_JSON_FILES = (codec.RUN, codec.PARAMS, codec.METRICS, codec.SCHEMA, codec.EVENTS)


def records(walk: Walk, placed: Sequence[tuple[str, str]]) -> None:
    """Of commits, each with the ref that it is on."""
    commits = []
    bodies = read_carefully(walk.repository, [commit for _, commit in placed], max_bytes=MAX_READ)
    for (ref, commit), body in zip(placed, bodies, strict=True):
        if isinstance(body, str):
            walk.fault(body, ref=ref, commit=commit)
            walk.unreadable.add(commit)
        else:
            commits.append(parsed(ref, commit, body.body))
    trees = list(_trees(walk, commits))
    sizes = sizes_of(walk.repository, {entry.id for _, entries in trees for entry in entries})
    for part in _bounded(trees, sizes):
        _contents(walk, part, sizes)


_Tree = tuple[Commit, list[TreeEntry]]


def _trees(walk: Walk, commits: Sequence[Commit]) -> Iterator[_Tree]:
    found = read_carefully(walk.repository, [commit.tree for commit in commits], max_bytes=MAX_READ)
    listed = [_entries(body, walk.repository.object_format) for body in found]
    strange = [commit.id for commit, (_, wrong) in zip(commits, listed, strict=True) if wrong]
    told = newer(walk.repository, strange)
    for commit, (entries, wrong) in zip(commits, listed, strict=True):
        at = partial(walk.fault, ref=commit.ref, commit=commit.id)
        if len(commit.parents) > 1:
            at(f"{len(commit.parents)} parents: a chain has one line, and only its first parents are read")
        if commit.id in told:
            at(check.version(told[commit.id]), path=codec.RUN)
        else:
            for path, what in wrong:
                at(what, path=path)
        if wrong:
            walk.unreadable.add(commit.id)
        else:
            yield commit, entries


def _entries(body: GitObject | str, object_format: str) -> tuple[list[TreeEntry], list[Wrong]]:
    if isinstance(body, str):
        return [], [("", f"the tree {body}")]
    try:
        entries = parse_tree(body.body, object_format)
    except FormatError as error:
        return [], [("", error.message)]
    return entries, check.tree(entries)


def _bounded(trees: Sequence[_Tree], sizes: Mapping[str, int | None]) -> Iterator[list[_Tree]]:
    """Trees whose files are read together: no more bytes at once than a reader may hold."""
    part: list[_Tree] = []
    total = 0
    for commit, entries in trees:
        size = sum(sizes[entry.id] or 0 for entry in entries)
        if part and total + size > MAX_READ:
            yield part
            part, total = [], 0
        part.append((commit, entries))
        total += size
    if part:
        yield part


def _contents(walk: Walk, trees: Sequence[_Tree], sizes: Mapping[str, int | None]) -> None:
    wanted = {
        entry.id: None
        for _, entries in trees
        for entry in entries
        if _fits(entry, sizes) and (entry.name in _JSON_FILES or codec.HISTORY.fullmatch(entry.name))
    }
    found = dict(zip(wanted, read_carefully(walk.repository, list(wanted), max_bytes=MAX_READ), strict=True))
    for commit, entries in trees:
        files: dict[str, bytes] = {}
        lacking: list[Wrong] = []
        for entry in entries:
            if not _fits(entry, sizes):
                lacking.append((entry.name, _unfit(entry, sizes[entry.id])))
            elif entry.name in _JSON_FILES:
                body = found[entry.id]
                if isinstance(body, str) or body.kind != "blob":
                    lacking.append(
                        (entry.name, body if isinstance(body, str) else f"a {body.kind}, not a file")
                    )
                else:
                    files[entry.name] = body.body
        _record(walk, commit, entries, files, lacking, found)


def _fits(entry: TreeEntry, sizes: Mapping[str, int | None]) -> bool:
    size = sizes[entry.id]
    return size is not None and size <= codec.max_bytes(entry.name)


def _unfit(entry: TreeEntry, size: int | None) -> str:
    if size is None:
        return f"its content {entry.id[:12]} is missing from the repository, or damaged"
    return f"{size:,} bytes, the limit is {codec.max_bytes(entry.name):,}"


def _record(
    walk: Walk,
    commit: Commit,
    entries: Sequence[TreeEntry],
    files: Mapping[str, bytes],
    lacking: list[Wrong],
    bodies: Mapping[str, GitObject | str],
) -> None:
    content = check.content(files)
    wrong = [*lacking, *content.wrong, *_series(walk, entries, lacking, bodies)]
    if content.run is not None:
        wrong += agreement(commit, content.run)
    for path, what in dict.fromkeys(wrong):
        walk.fault(what, ref=commit.ref, commit=commit.id, path=path)
    if content.run is None:
        walk.unreadable.add(commit.id)
        return
    _remember(walk, commit, content, sound=not wrong)


def _series(
    walk: Walk,
    entries: Sequence[TreeEntry],
    lacking: Sequence[Wrong],
    bodies: Mapping[str, GitObject | str],
) -> list[Wrong]:
    """Histories, one run's at a time; the same bytes are decoded once."""
    absent = {name for name, _ in lacking}
    parts = [entry for entry in entries if codec.HISTORY.fullmatch(entry.name) and entry.name not in absent]
    key = tuple(part for entry in parts for part in (entry.name, entry.id))
    if not parts:
        return []
    if key not in walk.histories:
        found = [(entry.name, bodies[entry.id]) for entry in parts]
        wrong = [(name, body) for name, body in found if isinstance(body, str)]
        wrong += check.history({name: body.body for name, body in found if not isinstance(body, str)})
        walk.histories[key] = wrong
    return walk.histories[key]


def agreement(commit: Commit, run: Mapping[str, Any]) -> Iterator[Wrong]:
    """The ref and the trailers, against what the run says of itself; what does not agree."""
    try:
        own = RUNS + slug(run["experiment"])
    except InputError as error:
        yield codec.RUN, error.message
        own = commit.ref
    if commit.ref.startswith(RUNS) and commit.ref != own:
        yield codec.RUN, f"the experiment {run['experiment']!r} belongs on {own}"
    code = run.get("code") or {}
    expected = {
        "Ledger-Run": run["id"],
        "Ledger-Record": run["record"],
        "Ledger-Code": code["commit"] + (" dirty" if code.get("dirty") else "") if code else None,
    }
    for key, value in expected.items():
        if commit.trailers.get(key) != value:
            said = commit.trailers.get(key)
            yield "", f"the trailer {key} says {said or 'nothing'}, run.json says {value or 'nothing'}"
    if ("schema" in run) != ("Ledger-Schema" in commit.trailers):
        yield "", "the trailer Ledger-Schema and run.json do not agree"


def _remember(walk: Walk, commit: Commit, content: check.Content, *, sound: bool) -> None:
    run = content.run or {}
    record = str(run["record"])
    before = walk.records.get(record)
    if before is not None and (before.ref == commit.ref or before.tree != commit.tree):
        how = "and says something else there" if before.tree != commit.tree else "on the same chain"
        where = "" if before.ref == commit.ref else f" ({before.ref})"
        walk.fault(
            f"the record {record[:12]} is also in {before.commit[:12]}{where}, {how}",
            ref=commit.ref,
            commit=commit.id,
        )
    if before is None:
        walk.records[record] = Seen(
            ref=commit.ref,
            commit=commit.id,
            tree=commit.tree,
            run=str(run["id"]),
            experiment=str(run["experiment"]),
            bases=_bases(run),
            sound=sound,
            digest=digest.of_record(run, content.params, content.metrics),
            code=run.get("code") or {},
        )


def _bases(run: Mapping[str, Any]) -> tuple[str, ...]:
    named = [run.get("base"), *(run.get("merges") or ())]
    return tuple(name for name in named if isinstance(name, str))
