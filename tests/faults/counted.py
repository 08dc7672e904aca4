"""Stands in for a git service, and adds up what goes through it: counted.py FILE SERVICE arguments..."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path


def main(file: Path, service: str, words: list[str]) -> int:
    server = subprocess.Popen(["git", service, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin
    assert server.stdout
    outgoing = server.stdout.fileno()
    counts = [0, 0]

    def answers() -> None:
        while data := os.read(outgoing, 1 << 16):
            counts[1] += len(data)
            os.write(1, data)

    thread = threading.Thread(target=answers)
    thread.start()
    while data := os.read(0, 1 << 16):
        counts[0] += len(data)
        server.stdin.write(data)
        server.stdin.flush()
    server.stdin.close()
    thread.join()
    with file.open("a", encoding="ascii") as stream:
        stream.write(f"{service} {counts[0]} {counts[1]}\n")
    return server.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
