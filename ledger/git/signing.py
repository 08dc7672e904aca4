"""SSH signatures (PROTOCOL.sshsig), made and checked by `ssh-keygen -Y`, as git does for commits.

Keys and programs are named by the user's git configuration only. Nothing here ever asks for a passphrase: a key that
has one is used through an agent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from ledger.errors import ConfigError, RepositoryError
from ledger.frozen import frozen
from ledger.git.process import Repository

NAMESPACE = "ledger-run"
_SECONDS = 60
_AT_ONCE = 500
_MOST_AT_ONCE = 8
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_LINE = 70
_MOST = 20_000
"""Characters of a signature: RSA keys of 16 kbit make some 5,000."""
_LITERAL = ("ssh-", "ecdsa-", "sk-", "key::")


class Standing(Enum):
    GOOD = "good"
    BAD = "bad"
    """Not over these bytes, or no signature at all."""
    UNKNOWN = "unknown"
    """Sound, by somebody whom the list of allowed signers does not name."""


def program(repository: Repository) -> str:
    """`gpg.ssh.program` of git's configuration, else `ssh-keygen`."""
    return _setting(repository, "gpg.ssh.program") or "ssh-keygen"


def allowed_signers(repository: Repository) -> Path | None:
    """`gpg.ssh.allowedSignersFile` of git's configuration."""
    found = _setting(repository, "gpg.ssh.allowedSignersFile")
    return Path(found) if found else None


def _setting(repository: Repository, name: str) -> str:
    output = repository.git("config", "--type=path", "--get", name, accept=(0, 1))
    return output.decode("utf-8", "surrogateescape").rstrip("\n")


def sign(repository: Repository, key: str, payloads: Sequence[bytes]) -> list[str]:
    """One line of base64 each. Raises ConfigError where the key can't be used."""
    with tempfile.TemporaryDirectory(prefix="ledger-sign-") as name:
        folder = Path(name)
        path, options = _key(repository, key, folder)
        made: list[str] = []
        for start in range(0, len(payloads), _AT_ONCE):
            files = []
            for number, payload in enumerate(payloads[start : start + _AT_ONCE]):
                files.append(folder / str(number))
                files[-1].write_bytes(payload)
                files[-1].with_suffix(".sig").unlink(missing_ok=True)
            words = ["-Y", "sign", *options, "-n", NAMESPACE, "-f", path, *map(str, files)]
            done = _run(repository, program(repository), words, b"")
            if done.returncode:
                raise ConfigError(
                    f"the key can't sign: {_first(done.stderr)}",
                    hint="git config ledger.signingKey FILE; a key with a passphrase needs an agent (ssh-add)",
                )
            made += [_unarmoured(file.with_suffix(".sig").read_text(encoding="ascii")) for file in files]
        return made


def _key(repository: Repository, key: str, folder: Path) -> tuple[str, list[str]]:
    """A file, and what else the program has to be told: a public key itself is used through the agent."""
    if key.startswith(_LITERAL):
        public = folder / "key.pub"
        public.write_text(key.removeprefix("key::") + "\n", encoding="utf-8")
        return str(public), ["-U"]
    home = repository.environ.get("HOME", "")
    return (home + key[1:] if key.startswith("~/") else key), []


@frozen()
class Signed:
    """What is to be checked."""

    payload: bytes
    signature: str
    at: datetime
    """When it says that it was made."""


Verdict = tuple[Standing, str]
"""How a signature stands, and who made it."""


@dataclass(slots=True)
class Checker:
    """Checks many signatures against one list of allowed signers, as many at once as there are processors."""

    repository: Repository
    allowed: Path | None
    _program: str = field(init=False)
    _dated: bool = field(init=False)
    """Whether a key is allowed for a time only: its name is then asked anew for each time."""
    _names: dict[tuple[bytes, str], str] = field(default_factory=dict)
    """Public key → the principal it stands for; empty for nobody."""
    _known: dict[tuple[bytes, str], Verdict] = field(default_factory=dict)
    """By hash of the payload, and signature: a record may stand on a chain and in an inbox."""

    def __post_init__(self) -> None:
        self._program = program(self.repository)
        self._dated = self.allowed is not None and b"valid-" in self.allowed.read_bytes()

    def check(self, asked: Sequence[Signed]) -> list[Verdict]:
        """In order. Each is a process of its own, of 5 ms: ssh-keygen looks at one signature."""
        keys = [(hashlib.sha256(one.payload).digest(), one.signature) for one in asked]
        fresh = {key: one for key, one in zip(keys, asked, strict=True) if key not in self._known}
        with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, _MOST_AT_ONCE)) as pool:
            self._known |= zip(fresh, pool.map(self._verdict, fresh.values()), strict=True)
        return [self._known[key] for key in keys]

    def _verdict(self, one: Signed) -> Verdict:
        payload, signature, at = one.payload, one.signature, one.at
        with _armoured(signature) as path:
            if path is None:
                return Standing.BAD, ""
            name = self._name(signature, path, at)
            if not name:
                sound = self._ask(["check-novalidate", "-n", NAMESPACE, "-s", str(path)], payload)
                return (Standing.BAD if sound.returncode else Standing.UNKNOWN), ""
            words = [
                "verify",
                "-n",
                NAMESPACE,
                "-s",
                str(path),
                "-I",
                name,
                "-f",
                str(self.allowed),
                _time(at),
            ]
            if not self._ask(words, payload).returncode:
                return Standing.GOOD, name
            sound = self._ask(["check-novalidate", "-n", NAMESPACE, "-s", str(path)], payload)
            return (Standing.BAD if sound.returncode else Standing.UNKNOWN), name

    def _name(self, signature: str, path: Path, at: datetime) -> str:
        if self.allowed is None:
            return ""
        key = (_public_key(signature), _time(at) if self._dated else "")
        if key not in self._names:
            done = self._ask(["find-principals", "-s", str(path), "-f", str(self.allowed), _time(at)], b"")
            lines = done.stdout.decode("utf-8", "replace").splitlines()
            self._names[key] = lines[0] if lines and not done.returncode else ""
        return self._names[key]

    def _ask(self, words: Sequence[str], payload: bytes) -> subprocess.CompletedProcess[bytes]:
        return _run(self.repository, self._program, ["-Y", *words], payload)


def _time(at: datetime) -> str:
    return f"-Overify-time={at:%Y%m%d%H%M%S}Z"


def _run(
    repository: Repository, name: str, words: Sequence[str], stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [name, *words],
            input=stdin,
            capture_output=True,
            env={**repository.environ, "SSH_ASKPASS_REQUIRE": "never"},
            check=False,
            timeout=_SECONDS,
            start_new_session=True,  # no terminal to ask for a passphrase on
        )
    except FileNotFoundError as error:
        raise RepositoryError(
            f"{name} is not installed", hint="it is part of OpenSSH 8.2 and later"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RepositoryError(
            f"{name} gave no answer in {_SECONDS} s", hint="does the key wait for a touch?"
        ) from error


def _first(stderr: bytes) -> str:
    return next(iter(stderr.decode("utf-8", "replace").strip().splitlines()), "it did not say why")


def _unarmoured(text: str) -> str:
    return "".join(line for line in text.splitlines() if line and not line.startswith("-----"))


@contextmanager
def _armoured(signature: str) -> Iterator[Path | None]:
    """The signature as a file; None for what can be none."""
    if not signature or len(signature) > _MOST or _public_key(signature) == b"":
        yield None
        return
    lines = [signature[start : start + _LINE] for start in range(0, len(signature), _LINE)]
    descriptor, name = tempfile.mkstemp(prefix="ledger-", suffix=".sig")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write("\n".join([_BEGIN, *lines, _END, ""]))
        yield Path(name)
    finally:
        os.unlink(name)


def _public_key(signature: str) -> bytes:
    """`SSHSIG`, uint32 version, string public key, ...; empty for what has another shape."""
    try:
        blob = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""
    if not blob.startswith(b"SSHSIG"):
        return b""
    size = int.from_bytes(blob[10:14], "big")
    return blob[14 : 14 + size]
