"""Chains, followed commit by commit as far as that goes."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.errors import GitError
from ledger.git import refs
from ledger.store import together
from ledger.store.slug import INBOX, RUNS
from ledger.store.verify.careful import read_carefully
from ledger.store.verify.walk import MAX_READ, Commit, Walk


def chains(walk: Walk) -> Iterator[tuple[str, list[str]]]:
    """Each chain with its commits, newest first, as far as it can be followed."""
    tips = refs.tips(walk.repository, RUNS, INBOX)
    sound = {ref: tip.id for ref, tip in tips.items() if tip.kind == "commit" and not tip.symbolic}
    followed = together.grown(walk.repository, sound, {}, form="")
    for ref, tip in tips.items():
        if tip.symbolic:
            walk.fault(f"another name for {tip.symbolic}: not a chain of its own, and not read", ref=ref)
        elif tip.kind != "commit":
            walk.fault(f"not a chain of runs: {tip.nature}", ref=ref, commit=tip.id)
        elif ref in followed:
            yield ref, [one.id for one in followed[ref]]
        else:
            yield ref, _followed(walk, ref, tip.id)


def _followed(walk: Walk, ref: str, tip: str) -> list[str]:
    try:
        output = walk.repository.git("rev-list", "--first-parent", "--end-of-options", tip, "--")
        return output.decode().split()
    except GitError:
        return _step_by_step(walk, ref, tip)


def _step_by_step(walk: Walk, ref: str, tip: str) -> list[str]:
    """A chain with a commit that is missing or damaged: all above it, and the one that is to blame."""
    found: list[str] = []
    current: str | None = tip
    while current:
        body = read_carefully(walk.repository, [current], max_bytes=MAX_READ)[0]
        if isinstance(body, str) or body.kind != "commit":
            what = body if isinstance(body, str) else f"a {body.kind}, not a commit"
            walk.fault(f"{what}; what came before it on this chain can't be reached", ref=ref, commit=current)
            walk.cut.add(ref)
            break
        found.append(current)
        current = next(iter(parsed(ref, current, body.body).parents), None)
    return found


def parsed(ref: str, commit: str, body: bytes) -> Commit:
    head, _, message = body.decode("utf-8", "replace").partition("\n\n")
    lines = [line.partition(" ") for line in head.split("\n")]
    return Commit(
        ref=ref,
        id=commit,
        tree=next((value for key, _, value in lines if key == "tree"), ""),
        parents=tuple(value for key, _, value in lines if key == "parent"),
        trailers=trailers(message),
    )


def trailers(message: str) -> dict[str, str]:
    """Those of ledger's own, of the message of a commit."""
    last = message.rstrip("\n").rpartition("\n\n")[2]
    pairs = (line.partition(": ") for line in last.split("\n"))
    return {key: value for key, colon, value in pairs if colon and key.startswith("Ledger-")}
