"""Sessions for the documentation: real commands in a real repository, with what is random made the same each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

BIN = Path(sys.executable).parent
_ID = re.compile(r"(?<![.\w])(?=[a-f]*[0-9])[0-9a-f]{7,64}\b")


class Shell:
    """Runs commands in one folder with a fixed identity and clock; what is random comes out the same each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ids: dict[str, str] = {}
        self.day = 0
        self.month = "2026-03"

    def __call__(self, command: str) -> str:
        moment = f"{self.month}-{self.day:02d}T12:00:00 +0000"
        people = {
            f"GIT_{who}_{what}": text
            for who in ("AUTHOR", "COMMITTER")
            for what, text in (("NAME", "Ada"), ("EMAIL", "ada@example.com"), ("DATE", moment))
        }
        home = str(self.folder.parent)
        environ = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": home,
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            **people,
        }
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 5):  # 5: a gate found what it was to find
            raise SystemExit(f"$ {command}\n{done.stdout}")
        told = done.stdout.replace(str(self.folder), "project").replace(
            datetime.now(UTC).date().isoformat(), f"{self.month}-{self.day:02d}"
        )
        return _ID.sub(self._stable, told)

    def _stable(self, found: re.Match[str]) -> str:
        """Ids are random; here the n-th new one is always the same, as long as it was."""
        text = found[0]
        known = next((whole for whole in self._ids if whole.startswith(text) or text.startswith(whole)), None)
        if known is None or len(text) > len(known):
            import hashlib

            seed = self._ids.get(known or "") or hashlib.sha256(str(len(self._ids)).encode()).hexdigest()
            self._ids[text] = seed
            known = text
        return self._ids[known][: len(text)]


Step: TypeAlias = "str | Callable[[Shell], None]"
"""A command that is shown with its output, or something that happens unseen."""


def run(setup: Callable[[Shell], None], sessions: Mapping[str, Sequence[Step]]) -> dict[str, str]:
    """Run sessions one after another in one repository; their text by name."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        shell = Shell(project)
        shell("git init -q -b main")
        setup(shell)
        return {name: "".join(_shown(shell, step) for step in steps) for name, steps in sessions.items()}


def _shown(shell: Shell, step: Step) -> str:
    if isinstance(step, str):
        return f"$ {step}\n{shell(step)}"
    step(shell)
    return ""
