"""What a signature of a record is over, and where it stands: a trailer of the commit's message.

The payload names the record and every file by its sha256, so it holds for the record wherever its commit stands:
re-parenting keeps messages byte for byte. A tree entry would have to be part of what it signs, and trees are closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

TRAILER = "Ledger-Signature"
_VERSION = "ledger-run 1"


def payload(record: str, files: Mapping[str, bytes]) -> bytes:
    """The bytes that are signed."""
    lines = [f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in sorted(files.items())]
    return "".join((f"{_VERSION}\n", f"record {record}\n", *lines)).encode()


def signed_message(message: str, signature: str) -> str:
    """A commit message with the signature among its trailers."""
    return f"{message.rstrip()}\n{TRAILER}: {signature}\n"
