"""Pauses after a lost race: full jitter, so that those who lost together don't meet again.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_LEAST_SECONDS = 0.1
_CAP_SECONDS = 30.0
_MOST_WINDOWS = 16
"""Longer pauses spare a push here and there, and leave the remote idle while the last of a crowd sleep."""


def pauses(attempts: int, *, window_seconds: float = _LEAST_SECONDS) -> Iterator[float]:
    """Seconds to wait before each further attempt: uniform in [0, min(cap, window · min(2ⁿ, 16))], n from 1.

    The window is how long an attempt is open to be overtaken: it sets the scale, on any network.
    """
    for number in range(1, attempts + 1):
        longest = min(_CAP_SECONDS, max(window_seconds, _LEAST_SECONDS) * min(2**number, _MOST_WINDOWS))
        yield random.uniform(0, longest)  # noqa: S311 - jitter, not a secret
