"""Inboxes: chains of clones that did not fetch first. One ref a writer and experiment, so nobody contends."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.store.slug import INBOX, is_slug

_NAME = re.compile(r"(?P<writer>[0-9a-f]{16})\.(?P<slug>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What an inbox ref's name says."""

    ref: str
    writer: str
    slug: str


def ref_of(writer: str, slug: str) -> str:
    return f"{INBOX}{writer}.{slug}"


def parse(ref: str) -> Box | None:
    """None for a name that no ledger made."""
    found = _NAME.fullmatch(ref.removeprefix(INBOX)) if ref.startswith(INBOX) else None
    if found is None or not is_slug(found["slug"]):
        return None
    return Box(ref=ref, writer=found["writer"], slug=found["slug"])
