"""A writer in a process of its own: KEY COUNT ACKNOWLEDGEMENTS [--dirty]. With a COUNT of 0: until its standard input ends."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import ledger


def main(key: str, times: str, acknowledgements: str, *options: str) -> None:
    ids, taken = [], []
    for number in range(int(times)) if int(times) else _until_told():
        if "--dirty" in options:
            Path("train.py").write_text(f"print({key}, {number})\n", encoding="utf-8")
        start = time.perf_counter()
        done = ledger.record({"writer": key, "number": number}, {"f1": number / 1000})
        if number:  # the first call imports
            taken.append((time.perf_counter() - start) * 1e3)
        ids.append(done.id)
    file = Path(acknowledgements)
    file.write_text("\n".join(ids) + "\n", encoding="utf-8")
    file.parent.with_name(f"{file.parent.name}.{key}.ms").write_text(
        "\n".join(map(str, taken)), encoding="utf-8"
    )


def _until_told() -> Iterator[int]:
    for number in count():
        if select.select([sys.stdin], [], [], 0)[0]:
            return
        yield number


if __name__ == "__main__":
    main(*sys.argv[1:])
