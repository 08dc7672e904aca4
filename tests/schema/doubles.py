"""Doubles are compared by their bits: -0.0 is not 0.0, and NaN is NaN."""

from __future__ import annotations

import math
import struct


def bits(value: object) -> bytes:
    assert isinstance(value, float)
    return b"NaN" if math.isnan(value) else struct.pack("<d", value)
