"""How forges name pull requests: their refs, and what they write into the subject of what they merge."""

from __future__ import annotations

import re

REFS = ("refs/pull/", "refs/merge-requests/")
"""Where a forge keeps the heads of pull requests."""
FETCHED = "refs/ledger/requests/"
"""`<remote>/<number>`: heads that ledger fetched."""

_REF = re.compile(
    r"refs/(?:remotes/.+/)?(?:pull|pr|merge-requests|mr)/(?P<number>\d{1,9})(?:/head)?"
    rf"|{FETCHED}[^/]+/(?P<fetched>\d{{1,9}})"
)
"""As a forge has it, as a usual refspec puts it below `refs/remotes/`, or as ledger keeps it."""
_SUBJECT = re.compile(r"\((?:#|!)(?P<squash>\d{1,9})\)\s*$|^Merge pull request #(?P<merge>\d{1,9}) ")
"""`Better loss (#12)`."""


def of_ref(ref: str) -> int | None:
    """The number of the pull request that a ref is the head of."""
    found = _REF.fullmatch(ref)
    return int(found["number"] or found["fetched"]) if found else None


def of_subject(subject: str) -> int | None:
    """The number of the pull request that a commit merged."""
    if "#" not in subject and "!" not in subject:
        return None
    found = _SUBJECT.search(subject)
    return int(found["squash"] or found["merge"]) if found else None
