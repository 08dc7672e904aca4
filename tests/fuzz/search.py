"""Searches for bytes that a reader does not refuse as it should: `python tests/fuzz/search.py SECONDS [READER…]`.

Coverage-guided (atheris); a process for each reader, with a bound on memory and on the time of one input. What is
found lands in `tests/fuzz/cases/<reader>/`, where the everyday tests take it from; the exit code is 1 then.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "fuzz" / "cases"
MEGABYTES = 2048
INPUT_SECONDS = 10
_MAX_BYTES = 20_000


def main() -> int:
    """Every reader for its share of the time."""
    seconds, names = float(sys.argv[1]), sys.argv[2:]
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from fuzz.readers import READERS

    names = names or list(READERS)
    share = max(int(seconds / len(names)), 2)
    failed = []
    for name in names:
        before = _cases(name)
        done = subprocess.run(
            [sys.executable, __file__, "--one", name, str(share)], capture_output=True, text=True, check=False
        )
        rounds = next(
            (line for line in reversed(done.stderr.splitlines()) if line.startswith("Done ")), "stopped early"
        )
        fresh = sorted(_cases(name) - before)
        print(f"{name:16} {rounds}{''.join(f'{chr(10)}  {path}' for path in fresh)}", flush=True)
        if fresh or done.returncode:
            failed.append(name)
            print("\n".join(done.stderr.splitlines()[-15:]) if not fresh else "", flush=True)
    print(
        f"{len(names)} readers, {len(failed)} with findings: {' '.join(failed)}"
        if failed
        else "nothing found"
    )
    return 1 if failed else 0


def _cases(name: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (CASES / name).glob("*")}


def one(name: str, seconds: int) -> None:
    """Search with one reader; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["ledger"]):
        from fuzz.mutations import mutated
        from fuzz.reader import refuses
        from fuzz.readers import READERS

    reader = READERS[name]
    known: set[str] = set()

    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))

    def look(data: bytes) -> None:
        try:
            refuses(reader, data, folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            where = _place(error)
            if where not in known:
                known.add(where)
                _keep(name, data)
                print(f"{name}: {where}", file=sys.stderr)
                traceback.print_exception(error, limit=-6)

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        changed = mutated(data, random.Random(seed)) if seed % 2 else atheris.Mutate(data, max_size)
        return bytes(changed[:max_size])

    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(reader.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    (CASES / name).mkdir(parents=True, exist_ok=True)
    words = [
        f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={_MAX_BYTES}",
        f"-artifact_prefix={CASES / name}/", "-print_final_stats=1", str(corpus),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *words], look, custom_mutator=change)
    atheris.Fuzz()


def _place(error: BaseException) -> str:
    """Kind and innermost place in ledger: what tells two findings apart."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/ledger/" in frame.filename] or list(frames)
    return f"{type(error).__name__} {Path(own[-1].filename).name}:{own[-1].lineno}"


def _keep(name: str, data: bytes) -> None:
    (CASES / name / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
        one(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())
