"""Is this a chain that ledger may build on? Asked of everything that comes from elsewhere, before a ref moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.errors import LedgerError
from ledger.git import history, objects
from ledger.git.process import Repository
from ledger.ids import is_id
from ledger.model import StoreFault
from ledger.share.chainlog import Line, beyond
from ledger.store import codec
from ledger.store.arrivals import Commit
from ledger.store.documents import parsed
from ledger.store.reading import Chunk, read_ahead
from ledger.store.slug import slug

_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A chain as a remote has it."""

    ref: str
    """Of the remote: what faults name."""
    tip: str
    slug: str
    pin: str | None = None
    """What it has to descend from."""
    base: str | None = None
    """What it may stand on: that was looked at before."""


@dataclass(slots=True)
class Checked:
    sound: dict[str, Line] = field(default_factory=dict)
    """By ref: what the chain adds to its pin."""
    rewound: list[str] = field(default_factory=list)
    """Refs whose chain does not descend from its pin."""
    refused: list[StoreFault] = field(default_factory=list)
    """Why a chain can't be built on."""
    odd: list[StoreFault] = field(default_factory=list)
    """Records that can't be read; their chains are sound."""


def check(repository: Repository, claims: Sequence[Claim], *, told: Callable[[int], None]) -> Checked:
    """Judge chains that were fetched. `told` hears of every commit that was looked at."""
    found = Checked()
    pins = [known for claim in claims for known in (claim.pin, claim.base) if known]
    try:
        lines = beyond(repository, {claim.ref: claim.tip for claim in claims}, pins, records=False)
    except LedgerError as error:
        if len(claims) > 1:  # one that is broken must not hide the others
            return _joined([check(repository, [claim], told=told) for claim in claims])
        found.refused += [_fault(claim, claim.tip, f"can't be followed: {error.message}") for claim in claims]
        return found
    for claim in claims:
        line = lines[claim.ref]
        if line.forked is not None:
            found.refused.append(_fault(claim, line.forked.id, "more than one parent: not a chain of runs"))
        elif not _descends(repository, claim, line):
            found.rewound.append(claim.ref)
        else:
            found.sound[claim.ref] = line
    _contents(repository, {claim.ref: claim for claim in claims if claim.ref in found.sound}, found, told)
    return found


def _joined(parts: Sequence[Checked]) -> Checked:
    return Checked(
        sound={ref: line for part in parts for ref, line in part.sound.items()},
        rewound=[ref for part in parts for ref in part.rewound],
        refused=[fault for part in parts for fault in part.refused],
        odd=[fault for part in parts for fault in part.odd],
    )


def _descends(repository: Repository, claim: Claim, line: Line) -> bool:
    if claim.pin is None or line.root == claim.pin:
        return True
    # What another pin reaches ends the walk as well: only git can say how the two stand to one another.
    return history.reaches(repository, claim.tip, claim.pin)


def _contents(
    repository: Repository, claims: Mapping[str, Claim], found: Checked, told: Callable[[int], None]
) -> None:
    """Look into every tree, of all chains together."""
    commits = [Commit(ref, link.id, link.tree) for ref in claims for link in found.sound[ref].links]
    for start in range(0, len(commits), _AT_ONCE):
        for chunk in read_ahead(repository, commits[start : start + _AT_ONCE]):
            for fault in _unsound(repository, chunk):
                found.refused.append(fault)
                found.sound.pop(fault.ref, None)
            found.odd += (fault for fault in _odd(claims, chunk) if fault.ref in found.sound)
            told(len(chunk.commits))


def _unsound(repository: Repository, chunk: Chunk) -> Iterator[StoreFault]:
    """Trees that are no run's, and files that nobody should read."""
    trees = list(zip(chunk.commits, chunk.trees, strict=True))
    blobs = list({blob for _, tree in trees if not isinstance(tree, str) for blob in tree.values()})
    sizes = dict(zip(blobs, objects.sizes(repository, blobs) if blobs else (), strict=True))
    for commit, tree in trees:
        if isinstance(tree, str):
            yield StoreFault(ref=commit.ref, commit=commit.id, path="", what=tree)
            continue
        for name, blob in tree.items():
            what = _too_large(sizes[blob], codec.max_bytes(name))
            if what:
                yield StoreFault(ref=commit.ref, commit=commit.id, path=name, what=what)


def _too_large(size: int | None, limit: int) -> str:
    if size is None:
        return "missing"
    return f"{size:,} bytes, the limit is {limit:,}" if size > limit else ""


def _odd(claims: Mapping[str, Claim], chunk: Chunk) -> Iterator[StoreFault]:
    """Records that readers will name: let in, since one bad record must not shut everybody out."""
    for commit, tree in zip(chunk.commits, chunk.trees, strict=True):
        if not isinstance(tree, str):
            what = _wrong(claims[commit.ref], chunk.blobs, tree)
            if what:
                yield StoreFault(ref=commit.ref, commit=commit.id, path=codec.RUN, what=what)


def _wrong(claim: Claim, blobs: Mapping[str, bytes | None], tree: Mapping[str, str]) -> str | None:
    try:
        run = parsed(blobs[tree[codec.RUN]], codec.RUN)
        codec.check_version(run, what=codec.RUN)
        if not all(is_id(run[key]) for key in ("id", "record")):
            return "its id or record is not 32 hex digits"
        if slug(run["experiment"]) != claim.slug:
            return f"belongs to another experiment: {run['experiment'][:60]}"
    except (LedgerError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return error.message if isinstance(error, LedgerError) else f"not a run: {type(error).__name__}"
    return None


def _fault(claim: Claim, commit: str, what: str) -> StoreFault:
    return StoreFault(ref=claim.ref, commit=commit, path="", what=what)


def no_commit(kind: str) -> str:
    """What is wrong with a ref that points to an object of this type; nothing with a commit."""
    what = "a missing object" if kind == "missing" else f"a {kind}"
    return "" if kind == "commit" else f"points to {what}, not to a commit"
