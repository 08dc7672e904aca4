"""Stands in for `git receive-pack`, and cuts the line once: before the server hears of the push, or before its report.

cut.py WHEN FLAG receive-pack-arguments...   (WHEN is `before` or `after`; FLAG is a file that is gone once it was done)
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path


def main(when: str, flag: Path, words: list[str]) -> int:
    if not flag.exists():
        return subprocess.call(["git", "receive-pack", *words])
    server = subprocess.Popen(["git", "receive-pack", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin
    assert server.stdout
    client_spoke = threading.Event()

    def answer() -> None:
        assert server.stdout
        while data := server.stdout.read1(1 << 16):  # type: ignore[attr-defined]
            if not client_spoke.is_set():
                os.write(1, data)

    threading.Thread(target=answer, daemon=True).start()
    while data := os.read(0, 1 << 16):
        if data != b"0000":
            client_spoke.set()
            flag.unlink(missing_ok=True)
            if when == "before":
                server.kill()
                return 1
        server.stdin.write(data)
        server.stdin.flush()
    server.stdin.close()
    server.wait()
    return 1 if client_spoke.is_set() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
