"""Real git, sealed: no test sees the developer's configuration, clock or enclosing repository."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from projects import Project

# A busy machine is no fault of the code: nothing here is judged by the clock.
settings.register_profile(
    "everyday", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=25
)
settings.register_profile("thorough", settings.get_profile("everyday"), max_examples=100)
settings.load_profile("everyday")

_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30  # several times what the last three sessions leave behind


def pytest_configure(config: pytest.Config) -> None:
    """Keep scratch repositories in memory: git syncs every object. Kills and full disks are tried on a disk."""
    in_memory = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    if in_memory and config.option.markexpr != "faults":
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs behind its back without it, and every program of a test would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)


_FIXED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada Test",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada Test",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
    "GIT_EDITOR": "false",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_TEMPLATE_DIR": "",  # no sample hooks: half the time of `git init`
    "NO_COLOR": "1",
    "TZ": "UTC",
}


@pytest.fixture(autouse=True)
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GIT_", "LEDGER_", "CI_", "GITHUB_"))]:
        if name != "LEDGER_REAL_DATA":
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {
        **_FIXED,
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(home / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    # The parent: git never counts the current folder itself as a ceiling.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)


class Repo:
    """A real repository to test with."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *words: str, check: bool = True, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self.path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(env or {})},
        )
        if check and done.returncode:
            raise AssertionError(f"git {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def commit(self, message: str = "work", **files: str) -> str:
        """Write files (`name__py="..."` is name.py), commit them, return the commit."""
        for name, text in files.items():
            self.write(name.replace("__", "."), text)
        self.git("add", "-A")
        self.git("-c", "maintenance.auto=false", "commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def _init(path: Path, *options: str) -> None:
    subprocess.run(
        ["git", "init", "-q", "-b", "main", *options, str(path)],
        check=True, capture_output=True, env={**os.environ, **_FIXED},
    )  # fmt: skip


@pytest.fixture(scope="session")
def empty_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git init` makes: to copy it costs a fifth of making it."""
    path = tmp_path_factory.mktemp("template") / "empty"
    _init(path)
    return path


@pytest.fixture(scope="session")
def first_template(empty_template: Path) -> Path:
    """A repository with one commit."""
    path = empty_template.with_name("first")
    shutil.copytree(empty_template, path)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _FIXED.items():
            patch.setenv(name, value)
        Repo(path).commit("first", train__py="print('training')\n")
    return path


@pytest.fixture
def make_repo(tmp_path: Path, empty_template: Path) -> Callable[..., Repo]:
    def make(name: str = "repo", *options: str) -> Repo:
        path = tmp_path / name
        if options or path.exists():
            _init(path, *options)
        else:
            shutil.copytree(empty_template, path)
        return Repo(path)

    return make


@pytest.fixture
def repo(tmp_path: Path, first_template: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A repository with one commit, and the current folder inside it."""
    made = Repo(Path(shutil.copytree(first_template, tmp_path / "repo")))
    monkeypatch.chdir(made.path)
    return made


class Ledger:
    """The command line in this process, as `main` runs it: exit code, standard output, standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.err = ""

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run one command, check its exit code, return what it printed; `err` keeps what it said."""
        from ledger.cli.main import run

        self._capsys.readouterr()
        got = run(list(words))
        out, self.err = self._capsys.readouterr()
        assert got == code, f"ledger {' '.join(words)}: exit {got}, not {code}\n{out}{self.err}"
        assert "Traceback" not in self.err
        return out

    def json(self, *words: str, code: int = 0) -> Any:
        """The document that one command prints."""
        end = words.index("--") if "--" in words else len(words)
        return json.loads(self(*words[:end], "--json", *words[end:], code=code))


@pytest.fixture
def ledger(capsys: pytest.CaptureFixture[str]) -> Ledger:
    return Ledger(capsys)


@pytest.fixture
def project(repo: Repo, ledger: Ledger) -> Project:
    from projects import Project

    return Project(repo, ledger)
