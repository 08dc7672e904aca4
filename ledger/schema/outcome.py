"""What an evaluation yields when it yields no number."""

from __future__ import annotations

from ledger.frozen import frozen


@frozen()
class Undefined:
    """No value, and why in a few words."""

    reason: str


OVERFLOW = Undefined(reason="overflow")
"""Finite numbers went in, and what came out is beyond the range of a double."""
PRECISION = Undefined(reason="precision")
"""A whole number beyond `EXACT_LIMIT` would have been rounded silently."""
DIVISION_BY_ZERO = Undefined(reason="division by zero")
DOMAIN = Undefined(reason="domain")
"""A function outside its domain: log of a number that is not positive, sqrt of a negative one."""

EXACT_LIMIT = 2**53
"""Up to here a double holds every whole number."""
