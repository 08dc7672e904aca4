"""The ref component of an experiment's name."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

from ledger.errors import InputError

RUNS = "refs/runs/"
CODE = "refs/ledger/code/"
INBOX = "refs/ledger/inbox/"
TRACKING = "refs/ledger/remotes/"
PINS = "refs/ledger/pins/"
"""`<remote>/<slug>`: the last tip of a remote's chain that was seen and checked; only it is built on."""
QUARANTINE = "refs/ledger/quarantine/"
"""Records that a server refused; they stand on their chain too."""

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_MADE = re.compile(r"[a-z0-9_][a-z0-9._-]{0,79}")
_HASHED = re.compile(r".*-[0-9a-f]{8}")
_REMOTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_MAX_NAME = 1000


@lru_cache(maxsize=1024)
def slug(experiment: str) -> str:
    """The name itself where it is a safe ref component, else a readable form and 8 hex of its sha256.

    So `exp` and `exp/lr`, `LR` and `lr` never share a ref. Raises InputError for a name nobody could mean.
    """
    name = normal(experiment)
    if _PLAIN.fullmatch(name) and _legal(name) and not _HASHED.fullmatch(name):
        return name
    readable = re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-.")[:40].rstrip("-.")
    readable = re.sub(r"\.{2,}", ".", readable)
    readable = readable.removesuffix(".lock") or "x"
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def is_slug(text: str) -> bool:
    """Whether `slug` could have made it: nothing else may become part of a ref's name."""
    return bool(_MADE.fullmatch(text)) and _legal(text)


def normal(experiment: str) -> str:
    name = unicodedata.normalize("NFC", experiment)
    if not name.strip() or name != name.strip():
        raise InputError(
            f"not a name for an experiment: {experiment!r}", hint="give it a name without blanks around it"
        )
    if len(name) > _MAX_NAME or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise InputError(
            f"not a name for an experiment: {experiment[:60]!r}",
            hint="at most 1,000 characters, no control characters",
        )
    return name


def _legal(name: str) -> bool:
    """What git-check-ref-format refuses of the characters that the pattern lets through."""
    return ".." not in name and not name.endswith((".lock", "."))


def remote_part(remote: str) -> str:
    """A remote's name as one component of a ref: itself, unless it has characters of its own (`team/origin`)."""
    return remote if _REMOTE.fullmatch(remote) and _legal(remote) else slug(remote)
