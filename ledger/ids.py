"""What an id looks like, and when a text is one: nothing else may be made into a file's name or a word for git."""

from __future__ import annotations

import re

is_id = re.compile(r"[0-9a-f]{32}").fullmatch
"""A run's, a record's, a segment's: 128 bits in hex."""

is_object_id = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?").fullmatch
"""Git's, whole: SHA-1 or SHA-256."""
