"""Which security fixes a release of git lacks. Distributions mend older ones without another number: what they say counts."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from ledger.frozen import frozen

_NUMBERS = re.compile(r"git version (\d+)\.(\d+)(?:\.(\d+))?")
_CHANGES = Path("/usr/share/doc/git/changelog.Debian.gz")
_MOST_BYTES = 4 << 20

Version = tuple[int, int, int]


@frozen()
class Fix:
    names: tuple[str, ...]
    about: str
    first: tuple[Version, ...]
    """The first release with it, of each line that got it; all later lines have it."""


FIXES = (
    Fix(
        names=("CVE-2024-32002", "CVE-2024-32004", "CVE-2024-32465"),
        about="cloning a repository can run its code",
        first=((2, 39, 4), (2, 40, 2), (2, 41, 1), (2, 42, 2), (2, 43, 4), (2, 44, 1), (2, 45, 1)),
    ),
    Fix(
        names=("CVE-2024-50349", "CVE-2024-52006"),
        about="a remote can trick git out of passwords",
        first=((2, 40, 4), (2, 41, 3), (2, 42, 4), (2, 43, 6), (2, 44, 3), (2, 45, 3), (2, 46, 3), (2, 47, 2), (2, 48, 1)),
    ),
    Fix(
        names=("CVE-2025-48384", "CVE-2025-48385"),
        about="cloning or fetching from a repository can write files anywhere",
        first=((2, 43, 7), (2, 44, 4), (2, 45, 4), (2, 46, 4), (2, 47, 3), (2, 48, 2), (2, 49, 1), (2, 50, 1)),
    ),
)  # fmt: skip
"""git's security advisories, oldest first."""


def parsed(said: str) -> Version | None:
    """From `git version`, whatever a vendor puts behind the numbers."""
    found = _NUMBERS.match(said)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def lacking(version: Version, mended: Collection[str] = ()) -> list[Fix]:
    """Fixes that a release does not have, but for those whose names a distribution says it took over."""
    return [fix for fix in FIXES if not _has(version, fix) and not set(fix.names) <= set(mended)]


def _has(version: Version, fix: Fix) -> bool:
    if version[:2] > fix.first[-1][:2]:
        return True
    return any(version[:2] == first[:2] and version >= first for first in fix.first)


def mended_by_distribution() -> frozenset[str]:
    """Names of fixes that Debian's or Ubuntu's list of changes has, where git is theirs."""
    if shutil.which("git") != "/usr/bin/git" or not _CHANGES.is_file():
        return frozenset()
    with gzip.open(_CHANGES) as stream:
        text = stream.read(_MOST_BYTES).decode("utf-8", "replace")
    return frozenset(re.findall(r"CVE-\d{4}-\d{4,}", text))
