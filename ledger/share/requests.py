"""Heads of merged pull requests, fetched for runs whose branches are gone: what was squashed is found only through them.

Nothing is asked of the network unless all of this holds: commits here say that they merged pull requests, the heads of
those are not here, and there are runs on code that no branch here reaches. They land in refs of ledger's own; the user's
configuration stays as it is, and `git config ledger.fetchRequests false` turns it off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ledger.errors import LedgerError
from ledger.git import objects, refs, remote, requests
from ledger.git.process import Repository, lines
from ledger.git.refs import RefUpdate
from ledger.ids import is_object_id
from ledger.share.report import Report
from ledger.share.session import Session
from ledger.store import cachefile, index
from ledger.store.slug import RUNS, remote_part

AT_ONCE = 100
"""Heads in one fetch, the ones merged last first; the next fetch brings further ones."""
_SUBJECTS = 50_000
"""Commits, newest first, whose subjects are read."""
_BRANCHES = ("--branches", "--remotes")


def fetch(session: Session, home: str, report: Report) -> None:
    """Bring what is lacking. A remote that does not answer is told of, and costs nothing else."""
    repository = session.repository
    path, key = repository.folder / "cache" / "requests", _key(repository, home)
    if not _wanted(repository) or cachefile.read(path, key) is not None:
        return
    name = _remote_of_code(repository, home)
    try:
        lacking = _lacking(repository)
        if lacking and _loose(repository):
            report.requests = _fetched(session, name, lacking)
    except LedgerError as error:
        report.said.append(f"no pull requests of {name}: {error.message}")
    else:
        if not report.requests:
            cachefile.keep(path, key, b"")


def _key(repository: Repository, home: str) -> str:
    """Changes when a ref moves that the answer depends on: until then nobody is asked again."""
    found = refs.ids(repository, RUNS, "refs/heads/", "refs/remotes/", *requests.REFS, requests.FETCHED)
    text = "\n".join((home, *(f"{oid} {ref}" for ref, oid in found.items())))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _wanted(repository: Repository) -> bool:
    """A clone that is shallow or partial was told to have little code."""
    said = repository.git("config", "--type=bool", "--get", "ledger.fetchRequests", accept=(0, 1, 128))
    partial = repository.git("config", "--get-regexp", r"^remote\..*\.promisor$", accept=(0, 1))
    return said.strip() != b"false" and not repository.shallow and not partial


def _loose(repository: Repository) -> bool:
    """Whether some run is on code that no branch here reaches, nor a pull request that was fetched."""
    known = index.load(repository)
    commits = {code for part in known.segments for code in part.codes("code_commit")[1]}
    commits = set(filter(is_object_id, commits))
    if not commits:
        return False
    gone = set(objects.missing(repository, commits))
    asked = "".join(f"{commit}\n" for commit in sorted(commits - gone))
    words = ("rev-list", "--max-count=1", "--stdin", "--not", *_BRANCHES, f"--glob={requests.FETCHED}*")
    return bool(gone) or bool(asked and repository.git(*words, stdin=asked.encode()).strip())


def _remote_of_code(repository: Repository, home: str) -> str:
    """Runs may live on a remote of their own."""
    return "origin" if "origin" in remote.names(repository) else home


def _lacking(repository: Repository) -> list[int]:
    """Numbers of pull requests that commits of branches say they merged and whose heads are not here, the latest first."""
    words = ("log", f"--max-count={_SUBJECTS}", "--format=%s", *_BRANCHES)
    said = (requests.of_subject(line) for line in lines(repository.git(*words)))
    here = map(requests.of_ref, refs.ids(repository, *requests.REFS, requests.FETCHED, "refs/remotes/"))
    known = set(here)
    return [number for number in dict.fromkeys(said) if number is not None and number not in known]


def _fetched(session: Session, name: str, numbers: Iterable[int]) -> int:
    """How many heads came."""
    repository = session.repository
    session.told(f"looking for pull requests of {name}")
    found = remote.look(repository, name, requests.REFS, keep=session.keep)
    heads = {requests.of_ref(ref): ref for ref in found if ref.endswith("/head")}
    wanted = {number: heads[number] for number in numbers if number in heads}
    chosen = dict(list(wanted.items())[:AT_ONCE])
    if not chosen:
        return 0
    have = refs.ids(repository, "refs/heads/", f"refs/remotes/{name}/").values()
    remote.fetch(repository, name, sorted(chosen.values()), have=have, keep=session.keep)
    part = requests.FETCHED + remote_part(name)
    updates = [RefUpdate(ref=f"{part}/{number}", new=found[ref], old=None) for number, ref in chosen.items()]
    session.move(updates, f"ledger: pull requests of {name}")
    return len(updates)
