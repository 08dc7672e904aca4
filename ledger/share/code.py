"""Publishing the code of published runs, where the user's git configuration allows it (`ledger.pushCode`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ledger.errors import ConfigError
from ledger.git import history, objects, refs, remote
from ledger.git.objects import GitObject
from ledger.git.process import lines
from ledger.git.refs import RefUpdate
from ledger.git.remote import Wish
from ledger.model import Author
from ledger.share.chainlog import beyond
from ledger.share.fetch import look
from ledger.share.session import Session, local, writer
from ledger.store import codec
from ledger.store.slug import CODE, RUNS, remote_part

CHOICES = ("never", "auto", "always")
PUBLISHED = "refs/ledger/published/"
"""`<remote>/<slug>`: what this clone published there of the code of an experiment."""
_KEEP = "keep "
_ENTRY = re.compile(r"keep (?P<commit>[0-9a-f]{40}(?:[0-9a-f]{24})?)")
_MAX_BYTES = codec.MAX_BYTES[codec.RUN]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    commits: int = 0
    problem: str = ""
    """Why some were not; the runs themselves are published all the same."""


def publish(session: Session, name: str, slugs: Sequence[str], there: Mapping[str, str]) -> Published:
    """Send what the remote lacks of the code of published runs. `there` is what it has from this clone, by slug.

    Raises ConfigError for a setting that is none, RemoteError when the remote can't be reached.
    """
    if not _allowed(session, name):
        return Published()
    work = _Work(session, name, there)
    plans = {slug: entries for slug in slugs if (entries := work.entries(slug))}
    if not plans:
        return Published()
    session.told(f"sending code to {name}")
    made = [entry for entries in plans.values() for entry in entries]
    with objects.held(session.repository, made, keep=session.keep):
        wishes = [work.wish(slug, entries) for slug, entries in plans.items()]
        done = remote.send(session.repository, name, wishes, negotiate=True, keep=session.keep)
        seen = look(session, name).code
        arrived = {slug: entries for slug, entries in plans.items() if seen.get(slug) == entries[-1].id}
        session.move([work.note(slug, seen[slug]) for slug in arrived], f"ledger: code published on {name}")
    lost = [
        f"{wish.ref}: {done.reasons.get(wish.ref, 'no answer')}"
        for slug, wish in zip(plans, wishes, strict=True)
        if slug not in arrived
    ]
    mend = "; this clone is shallow: git fetch --unshallow" if session.repository.shallow else ""
    return Published(
        commits=sum(len(entries) - 1 for entries in arrived.values()),
        problem=f"code was not published: {'; '.join(lost)}{mend}" if lost else "",
    )


def _allowed(session: Session, name: str) -> bool:
    choice = session.workspace.config.push_code
    if choice not in CHOICES:
        raise ConfigError(
            f"git config ledger.pushCode: {choice}", hint=f"one of {', '.join(CHOICES)}; runs are published"
        )
    if choice == "auto":  # a remote for runs alone stays one
        return bool(refs.tips(session.repository, f"refs/remotes/{name}/"))
    return choice == "always"


class _Work:
    def __init__(self, session: Session, name: str, there: Mapping[str, str]) -> None:
        self.repository = session.repository
        self.there = there
        self.prefix = f"{PUBLISHED}{remote_part(name)}/"
        self.writer = writer(self.repository)
        self.local = local(self.repository, name)
        known = refs.tips(self.repository, self.prefix, CODE, f"refs/remotes/{name}/")
        self.tips = {ref: tip.id for ref, tip in known.items() if tip.kind == "commit"}
        self.branches = [tip for ref, tip in self.tips.items() if ref.startswith("refs/remotes/")]

    def entries(self, slug: str) -> list[GitObject]:
        """Empty commits with code commits as parents, on top of what was published; the empty tree first."""
        tip, parent = self.tips.get(CODE + slug), self.there.get(slug)
        if tip is None or (parent is not None and parent != self.tips.get(self.prefix + slug)):
            return []
        known = [*self.branches, *([parent] if parent else [])]
        unpublished = self._unpublished(slug)
        wanted = [commit for commit in self._kept(tip) if commit not in unpublished]
        lacking = history.outermost(self.repository, wanted, known) if wanted else []
        return self._chain(lacking, parent) if lacking else []

    def _kept(self, tip: str) -> list[str]:
        """Code commits that a code ref keeps alive, oldest first."""
        # The first entry of all stands on a code commit: what branches hold need not be walked.
        words = (
            "log",
            "--reverse",
            "--first-parent",
            "--format=%s",
            tip,
            "--not",
            "--branches",
            "--remotes",
            "--",
        )
        found = (_ENTRY.fullmatch(subject) for subject in lines(self.repository.git(*words)))
        return list(dict.fromkeys(match["commit"] for match in found if match))

    def _unpublished(self, slug: str) -> frozenset[str]:
        """The code of runs that the remote does not have: it stays here as well."""
        tip = self.local.runs.get(RUNS + slug)
        if tip is None:
            return frozenset()
        pin = self.local.pins.get(slug)
        boxes = [one for ref, one in self.local.inboxes.items() if ref.endswith(f"{self.writer}.{slug}")]
        line = beyond(self.repository, {slug: tip.id}, [*([pin] if pin else []), *boxes])[slug]
        return frozenset(self._code_of([link.id for link in line.links]))

    def _code_of(self, commits: Sequence[str]) -> Iterator[str]:
        names = [f"{commit}:{codec.RUN}" for commit in commits]
        sizes = objects.sizes(self.repository, names)
        fit = [
            name for name, size in zip(names, sizes, strict=True) if size is not None and size < _MAX_BYTES
        ]
        for found in objects.read(self.repository, fit):
            code = json.loads(found.body).get("code") if found else None
            if isinstance(code, dict):
                yield from (str(code[key]) for key in ("commit", "snapshot") if code.get(key))

    def _chain(self, commits: Sequence[str], parent: str | None) -> list[GitObject]:
        form = self.repository.object_format
        empty = objects.make("tree", b"", form)
        entries = [empty]
        seconds = self._seconds(commits)
        for commit in commits:
            entry = objects.commit(
                tree=empty.id,
                parents=[*([parent] if parent else []), commit],
                author=Author(),
                seconds=seconds[commit],
                message=f"{_KEEP}{commit}\n",
                object_format=form,
            )
            entries.append(entry)
            parent = entry.id
        return entries

    def _seconds(self, commits: Sequence[str]) -> dict[str, int]:
        asked = "".join(f"{commit}\n" for commit in commits).encode()
        words = ("log", "--no-walk=unsorted", "--format=%H %ct", "--stdin")
        pairs = (line.split() for line in lines(self.repository.git(*words, stdin=asked)))
        return {commit: int(seconds) for commit, seconds in pairs}

    def wish(self, slug: str, entries: Sequence[GitObject]) -> Wish:
        ref = f"{CODE}{self.writer}.{slug}"
        return Wish(ref=ref, new=entries[-1].id, old=self.there.get(slug))

    def note(self, slug: str, tip: str) -> RefUpdate:
        ref = self.prefix + slug
        return RefUpdate(ref=ref, new=tip, old=self.tips.get(ref))
