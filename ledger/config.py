"""The project's settings: `.ledger/config.toml`, which comes with a clone, and git's own configuration.

What may be captured and published is the user's to say: the file can narrow what git's configuration allows
(`ledger.snapshot`, `ledger.snapshotMaxBytes`, `ledger.environment`), never widen it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ledger import plain_file
from ledger.canonical import readable
from ledger.errors import ConfigError
from ledger.frozen import frozen
from ledger.git import objects
from ledger.git.process import Repository, discover
from ledger.model import Author

CONFIG_FORMAT = 1
DEFAULT_SNAPSHOT_BYTES = 10 * 1024 * 1024
DEFAULT_LOST_AFTER_HOURS = 24.0
FOLDER = ".ledger"
MAX_FILE = 1 << 20
"""Bytes of the file."""


@frozen()
class Config:
    schema: str | None = None
    """Name of the schema that runs are validated against; None: the only one there is, if there is one."""
    code_paths: tuple[str, ...] = ()
    default_branch: str | None = None
    snapshot: bool = True
    snapshot_max_bytes: int = DEFAULT_SNAPSHOT_BYTES
    snapshot_untracked: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    on_range: Literal["warn", "stop", "ignore"] = "warn"
    """What a value out of the schema's range does while a run goes on."""
    environment: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    log_metrics: tuple[str, ...] = ()
    author: Author = field(default_factory=Author)
    pager: str | None = None
    color: str = "auto"
    lost_after_hours: float = DEFAULT_LOST_AFTER_HOURS
    """A live run of another host without a sign of life for longer counts as lost."""
    remote: str | None = None
    """The home remote, where it is not `origin` or the only one."""
    sign: bool = False
    """Whether records are signed (`ledger.sign`)."""
    signing_key: str | None = None
    """A key's file, or a public key whose private one an agent holds (`ledger.signingKey`, else `user.signingKey`)."""
    push_code: str = "never"
    """Whether code goes along with published runs: `never`, `auto` or `always`. Checked where it is used."""
    fault: ConfigError | None = None
    """What is wrong with the file. Recording goes on with it for long enough to keep what it was given."""


def load(repository: Repository, environ: Mapping[str, str]) -> Config:
    """Both sources, read once. Raises ConfigError that lists every fault of the file."""
    top = repository.work_tree
    file = read_file(top) if top else _file_at_head(repository)
    return build(file, git_settings(repository), environ)


def git_settings(repository: Repository) -> dict[str, str]:
    """Git's configuration of the sections that matter here; the last value of a key counts."""
    words = ("config", "-z", "--get-regexp", r"^(ledger|user|author|core\.pager|pager|color)(\.|$)")
    output = repository.git(*words, accept=(0, 1)).decode("utf-8", "surrogateescape")
    pairs = (token.partition("\n") for token in output.split("\0") if token)
    return {key.lower(): value for key, _, value in pairs}


def read_file(top: Path | None) -> dict[str, Any]:
    path = top / FOLDER / "config.toml" if top else None
    if path is None or not os.path.lexists(path):
        return {}
    return _checked(lambda: _text(path), path)


def _file_at_head(repository: Repository) -> dict[str, Any]:
    """Without a work tree (a bare repository) the file of the commit that is checked out counts."""
    name = f"HEAD:{FOLDER}/config.toml"
    (found,) = objects.read(repository, [name])
    if found is None or found.kind != "blob":
        return {}
    return _checked(lambda: _decoded(found.body), name)


def _checked(text: Callable[[], str], path: object) -> dict[str, Any]:
    import tomllib

    try:
        data = tomllib.loads(text())
    except (OSError, ValueError, RecursionError) as error:  # a number of 5,000 digits is no TOMLDecodeError
        said = "nested too deeply" if isinstance(error, RecursionError) else error
        said = error.strerror or error if isinstance(error, OSError) else said
        raise ConfigError(
            f"{path}: {said}", hint="`ledger init --help` shows what the file may hold"
        ) from error
    from ledger.schema import formats

    version = (
        data.get("ledger", {}).get("format", CONFIG_FORMAT)
        if isinstance(data.get("ledger", {}), dict)
        else None
    )
    if isinstance(version, int) and version > CONFIG_FORMAT:
        raise ConfigError(
            f"{path}: format {version} is newer than this ledger reads ({CONFIG_FORMAT})",
            hint="upgrade ledger",
        )
    try:
        faults = formats.check("config", data, file=str(path))
    except RecursionError as error:  # a name of thousands of parts is tables within tables
        raise ConfigError(f"{path}: nested too deeply") from error
    if faults:
        if len(faults) == 1:
            raise ConfigError(str(faults[0]))
        raise ConfigError(f"{path}: {len(faults)} faults", details=tuple(map(str, faults)))
    return data


def _text(path: Path) -> str:
    return _decoded(plain_file.read(path, MAX_FILE))


def _decoded(data: bytes) -> str:
    if len(data) > MAX_FILE:
        raise ValueError(f"more than {MAX_FILE:,} bytes")
    return data.decode("utf-8")


def build(file: Mapping[str, Any], git: Mapping[str, str], environ: Mapping[str, str]) -> Config:
    code, record = file.get("code", {}), file.get("record", {})
    limit = _integer(git.get("ledger.snapshotmaxbytes"), DEFAULT_SNAPSHOT_BYTES)
    allowed_names = tuple(git.get("ledger.environment", "").replace(",", " ").split())
    return Config(
        schema=file.get("ledger", {}).get("schema"),
        code_paths=tuple(code.get("paths", ())),
        default_branch=code.get("default_branch"),
        snapshot=_boolean(git.get("ledger.snapshot"), default=True) and code.get("snapshot", True),
        snapshot_max_bytes=min(limit, code.get("snapshot_max_bytes", limit)),
        snapshot_untracked=tuple(git.get("ledger.snapshotuntracked", "").split()),
        params=tuple(record.get("params", ())),
        metrics=tuple(record.get("metrics", ())),
        on_range=file.get("live", {}).get("on_range", "warn"),
        environment=_narrowed(allowed_names, record.get("environment")),
        packages=tuple(record.get("packages", ())),
        log_metrics=tuple(file.get("log", {}).get("metrics", ())),
        author=_author(git, environ),
        pager=git.get("pager.ledger") or git.get("core.pager"),
        color=git.get("color.ledger") or git.get("color.ui") or "auto",
        lost_after_hours=_hours(git.get("ledger.lostafterhours")),
        remote=git.get("ledger.remote") or None,
        sign=_boolean(git.get("ledger.sign"), default=False),
        signing_key=git.get("ledger.signingkey") or git.get("user.signingkey") or None,
        push_code=git.get("ledger.pushcode", "never").lower(),
    )


def _narrowed(allowed: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(allowed) if wanted is None else tuple(name for name in allowed if name in set(wanted))


def _author(git: Mapping[str, str], environ: Mapping[str, str]) -> Author:
    """As git finds it; without an identity a run is recorded all the same."""
    name = environ.get("GIT_AUTHOR_NAME") or git.get("author.name") or git.get("user.name")
    email = environ.get("GIT_AUTHOR_EMAIL") or git.get("author.email") or git.get("user.email")
    return Author(name=readable(name or "ledger"), email=readable(email or "ledger@localhost"))


def _integer(text: str | None, default: int) -> int:
    if not text:
        return default
    scale = {"k": 1024, "m": 1024**2, "g": 1024**3}.get(text[-1].lower(), 1)
    digits = text[:-1] if scale > 1 else text
    if not digits.strip().isdigit():
        raise ConfigError(
            f"git config ledger.snapshotMaxBytes: not a size: {text}", hint="a number, with k, m or g"
        )
    return int(digits) * scale


def _hours(text: str | None) -> float:
    try:
        hours = float(text or DEFAULT_LOST_AFTER_HOURS)
    except ValueError:
        hours = 0.0
    if not hours > 0:
        raise ConfigError(
            f"git config ledger.lostAfterHours: not a number of hours: {text}", hint="such as 24"
        )
    return hours


def _boolean(text: str | None, *, default: bool) -> bool:
    return default if text is None else text.lower() not in ("false", "no", "off", "0")


@frozen()
class Workspace:
    """Where a command works: the repository, its settings, and the world outside, passed in and never looked up."""

    repository: Repository
    config: Config
    environ: Mapping[str, str]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def schemas(self) -> Path | None:
        """The folder of schema files; None in a bare repository."""
        top = self.repository.work_tree
        return top / FOLDER / "schemas" if top else None


def open_workspace(start: Path, environ: Mapping[str, str], *, anyhow: bool = False) -> Workspace:
    """Find the repository around `start` and read its settings. Raises RepositoryError, ConfigError.

    `anyhow`: where the file is at fault go on without it; the settings say so.
    """
    repository = discover(start, environ)
    try:
        config = load(repository, environ)
    except ConfigError as error:
        if not anyhow:
            raise
        config = replace(build({}, git_settings(repository), environ), fault=error)
    return Workspace(repository=repository, config=config, environ=environ)
