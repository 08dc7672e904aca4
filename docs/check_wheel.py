"""Builds the wheel, installs it into a fresh environment without any development package, and uses it once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Raises CalledProcessError where a step fails."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _run(
            sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(work), str(ROOT)
        )
        (wheel,) = work.glob("*.whl")
        # The dependencies come from this environment: what is tested is what the wheel itself holds.
        _run(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(work / "site"),
            str(wheel),
        )
        project = work / "project"
        project.mkdir()
        environ = {**os.environ, "PYTHONPATH": str(work / "site"), "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
        environ |= {
            f"GIT_{who}_{what}": f"a{at}b"
            for who in ("AUTHOR", "COMMITTER")
            for what, at in (("NAME", " "), ("EMAIL", "@"))
        }
        ledger = (sys.executable, "-m", "ledger")
        for words in (
            ("git", "init", "-q"),
            ("git", "commit", "-q", "--allow-empty", "-m", "first"),
            (*ledger, "init", "--starter", "classification"),
            (*ledger, "record", "-m", "f1=0.9"),
            (*ledger, "log", "--metric", "f1"),
        ):
            _run(*words, cwd=project, environ=environ)
        found = subprocess.run(
            (sys.executable, "-c", "import ledger, ledger.resources as r; print(ledger.__file__, *sorted(p.name for p in r.folder('hooks').iterdir()))"),
            cwd=project, env=environ, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        if str(work) not in found:
            print(f"the wheel was not what ran: {found}")
            return 1
    return 0


def _run(*words: str, cwd: Path | None = None, environ: dict[str, str] | None = None) -> None:
    done = subprocess.run(words, cwd=cwd, env=environ, check=False, capture_output=True, text=True)
    if done.returncode:
        print(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}")
        done.check_returncode()


if __name__ == "__main__":
    sys.exit(main())
