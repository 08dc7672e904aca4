"""One sync of a clone with its remotes: who it is, which remote is home, and the lock that makes it the only one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ledger.config import Workspace
from ledger.errors import ConfigError, ContentionError, NotFoundError
from ledger.git import refs, remote
from ledger.git.process import LockedError, Repository
from ledger.git.refs import RefUpdate, Tip
from ledger.model import new_id
from ledger.store import aftercare, chain, link_log, lock
from ledger.store.slug import INBOX, PINS, QUARANTINE, RUNS, TRACKING, remote_part
from ledger.store.spool import Spool, write_durably

_WAIT_SECONDS = 600.0
_CHAIN_SECONDS = 60.0
_WRITER_DIGITS = 16
_OWN = "refs/ledger/"

LINKS = link_log.REF
LINKS_FROM = "refs/ledger/links-from/"
"""`<remote>`: the links of a remote as they were fetched, unchecked."""

REDACTIONS = "refs/ledger/redactions"
REDACTIONS_FROM = "refs/ledger/redactions-from/"
"""`<remote>`: the log of redactions of a remote as it was last seen."""

Told = Callable[[str], None]
"""Hears what is being done now, for a progress line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A sync that is under way. Only its holder writes pins, tracking refs, inboxes and quarantines."""

    workspace: Workspace
    held: lock.Held
    told: Told = lambda _: None

    @property
    def repository(self) -> Repository:
        return self.workspace.repository

    @property
    def keep(self) -> tuple[int, ...]:
        """What git children inherit: nobody else syncs before the last of them is dead."""
        return (self.held.descriptor,)

    def move(self, updates: Sequence[RefUpdate], reason: str) -> None:
        """All or none, by compare-and-swap, durable on return. A lock file that a killed sync left is removed first.

        What is lost of them in a power cut before that is what was not moved: the remote still shows it.
        """
        if not updates:
            return None
        for _ in updates:
            try:
                return refs.update_together(self.repository, updates, reason=reason, keep=self.keep)
            except LockedError as error:
                if not self.unlocked(error):
                    raise
        return refs.update_together(self.repository, updates, reason=reason, keep=self.keep)

    def unlocked(self, error: LockedError) -> bool:
        """Remove a lock file that a killed sync left; whether it was one."""
        if self._left_by_the_dead(error):
            error.path.unlink(missing_ok=True)
            return True
        return False

    def _left_by_the_dead(self, error: LockedError) -> bool:
        before = self.held.predecessor
        own = str(error.path).startswith(f"{self.repository.common_dir}/{_OWN}")
        return own and (before.died or before.rebooted) and not before.elsewhere


@contextmanager
def begin(workspace: Workspace, told: Told | None = None) -> Iterator[Session]:
    """Wait for other syncs of this clone to end. Raises ContentionError after ten minutes."""
    path = workspace.repository.folder / "sync.lock"
    with lock.acquire(path, wait_seconds=_WAIT_SECONDS) as held:
        if held is None:
            raise ContentionError(
                "another push or pull of this clone is at work", hint="let it end; nothing is lost"
            )
        yield Session(workspace=workspace, held=held, told=told or (lambda _: None))
    # What others sealed, and left to whoever waited here for the chain lock.
    chain.drain(workspace.repository, home=workspace.config.remote or "origin")


@contextmanager
def chain_lock(repository: Repository) -> Iterator[lock.Held]:
    """The lock that recording takes, for a moment. Raises ContentionError when others have it for a minute."""
    with lock.acquire(repository.folder / "lock", wait_seconds=_CHAIN_SECONDS) as held:
        if held is None:
            raise ContentionError("others are recording without a pause", hint="try again; nothing is lost")
        done = aftercare.mend(repository, Spool.of(repository), held)
        if done.chained:
            held.doubt()  # what is pending may be on its chain already: the next drain has to look
        yield held


def home(workspace: Workspace) -> str | None:
    """The remote that local chains are built on; None where there is no remote. Raises ConfigError, NotFoundError."""
    if workspace.config.remote:
        return remote.require(workspace.repository, workspace.config.remote)
    known = remote.names(workspace.repository)
    if "origin" in known or not known:
        return "origin" if known else None
    if len(known) > 1:
        raise ConfigError(
            f"which remote do runs live on: {', '.join(known)}?", hint=f"git config ledger.remote {known[0]}"
        )
    return known[0]


def require_home(workspace: Workspace) -> str:
    found = home(workspace)
    if found is None:
        raise NotFoundError("there is no remote", hint="git remote add origin URL")
    return found


def pin(name: str, slug: str) -> str:
    return f"{PINS}{remote_part(name)}/{slug}"


def tracking(name: str, slug: str) -> str:
    return f"{TRACKING}{remote_part(name)}/{slug}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """The refs of this clone that sharing is about, at one moment: ids by slug, or by ref."""

    runs: Mapping[str, Tip]
    """By ref, whatever they are: not every one has to be a chain."""
    pins: Mapping[str, str]
    """The last checked tips of the remote's chains."""
    tracked: Mapping[str, str]
    """Where the remote's chains were when anybody last fetched them."""
    inboxes: Mapping[str, str]
    """By ref."""
    quarantine: Mapping[str, str]
    links: str | None
    """The remote's links as they were fetched."""
    redactions: str | None = None
    """This clone's log of what was taken out of chains."""
    redactions_seen: str | None = None
    """The remote's, as it was last seen."""


def local(repository: Repository, name: str) -> Local:
    """One git process."""
    links = LINKS_FROM + remote_part(name)
    pinned, fetched = f"{PINS}{remote_part(name)}/", f"{TRACKING}{remote_part(name)}/"
    log, log_seen = REDACTIONS, REDACTIONS_FROM + remote_part(name)
    found = refs.tips(repository, RUNS, INBOX, QUARANTINE, pinned, fetched, links, log, log_seen)
    ids = {ref: tip.id for ref, tip in found.items() if tip.kind == "commit" and not tip.symbolic}
    return Local(
        runs={ref: tip for ref, tip in found.items() if ref.startswith(RUNS)},
        pins=_below(ids, pinned),
        tracked=_below(ids, fetched),
        inboxes={ref: tip for ref, tip in ids.items() if ref.startswith(INBOX)},
        quarantine=_below(ids, QUARANTINE),
        links=ids.get(links),
        redactions=ids.get(log),
        redactions_seen=ids.get(log_seen),
    )


def _below(ids: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {ref.removeprefix(prefix): tip for ref, tip in ids.items() if ref.startswith(prefix)}


def writer(repository: Repository) -> str:
    """The name of this clone on remotes: random, made once."""
    path = Spool.of(repository).writer
    with suppress(OSError):
        name = path.read_text(encoding="ascii", errors="replace").strip()
        if len(name) == _WRITER_DIGITS and set(name) <= set("0123456789abcdef"):
            return name
    return rename_writer(repository)


def rename_writer(repository: Repository) -> str:
    """Another name: this clone is a copy (an image, a cached folder), and a sibling uses the one it had."""
    name = new_id()[:_WRITER_DIGITS]
    write_durably(Spool.of(repository).writer, f"{name}\n".encode())
    return name
