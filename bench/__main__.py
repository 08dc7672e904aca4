"""`python -m bench`: measure, print the table, keep it as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import line, live, meaning, peers, reading, recording, rewriting, sharing
from bench.line import Line

RESULTS = Path(__file__).parent / "results"
_PARTS: dict[str, Callable[..., Iterator[Line]]] = {
    "recording": recording.lines,
    "live": live.lines,
    "peers": peers.lines,
    "reading": reading.lines,
    "rewriting": rewriting.lines,
    "meaning": meaning.lines,
    "sharing": sharing.lines,
}


def main() -> int:
    given = _arguments()
    found: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder:
        for name, part in _PARTS.items():
            if given.only in (None, name):
                for item in part(Path(folder), quick=given.quick):
                    sys.stderr.write(f"  {item.what}: {item.median or f'{item.value:.3g} {item.unit}'}\n")
                    found.append(item)
    print(line.table(found))
    _keep(found, quick=given.quick)
    exceeded = line.over(found)
    if exceeded:
        print(f"\n{len(exceeded)} of {sum(item.bar is not None for item in found)} bars do not hold")
    return 5 if exceeded and given.check else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a small ledger and few rounds: minutes become seconds"
    )
    parser.add_argument("--check", action="store_true", help="exit 5 when a bar does not hold")
    parser.add_argument("--only", choices=sorted(_PARTS), help="one part")
    return parser.parse_args()


def _keep(found: list[Line], *, quick: bool) -> None:
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    content = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "quick": quick,
        "lines": [item.document() for item in found],
    }
    (RESULTS / f"{stamp}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
