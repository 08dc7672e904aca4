"""Values that look like secrets are masked before they are recorded, and each masking is reported.

Three signs, in this order: the shape of a known token or key anywhere in a text; credentials in a URL; a name that
says what it holds (`api_key`, `DB_PASSWORD`). A name that only might (`token`, `key`) needs a value that looks random
as well, so that `pad_token`, `sort_key` and `max_tokens` stay. A random value under an ordinary name stays: it is a
hash or a commit far more often than a secret.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar, cast

MASK = "***"
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """One value, or a part of one, that was masked, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


def scrub(values: Mapping[str, _Value]) -> tuple[dict[str, _Value], tuple[Masking, ...]]:
    """Mask what looks like a secret in params, tags or an environment, however deep; say what was masked."""
    found: list[Masking] = []
    scrubbed = {name: cast("_Value", _scrubbed(name, value, found)) for name, value in values.items()}
    return scrubbed, tuple(found)


def scrub_text(name: str, text: str) -> tuple[str, tuple[Masking, ...]]:
    """Mask tokens, credentials and `password=...` in free text, such as a note."""
    masked, reason = _by_shape(text)
    reasons = [reason] if reason else []

    def replace(match: re.Match[str]) -> str:
        secret, why = _examine(match["name"], match["value"])
        reasons.extend([why] if why else [])
        return match["name"] + match["is"] + secret

    masked = _ASSIGNMENT.sub(replace, masked)
    return masked, (Masking(name=name, reason=reasons[0]),) if reasons else ()


def scrub_command(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[Masking, ...]]:
    """Mask secrets in a command line: `--api-key X`, `--api-key=X`, `API_KEY=X`, tokens and URLs anywhere."""
    found: list[Masking] = []
    result: list[str] = []
    option = ""
    for word in words:
        head, equals, value = word.partition("=")
        name = head.lstrip("-") if equals else option
        masked, reason = _examine(name, value if equals else word)
        if reason:
            found.append(Masking(name=f"command: {name or 'a word'}", reason=reason))
        result.append(f"{head}={masked}" if equals else masked)
        option = word.lstrip("-") if word.startswith("-") and not equals else ""
    return tuple(result), tuple(found)


def clean_uri(uri: str) -> str:
    """Take credentials out of a URI: the user part, and parameters that sign or authorise."""
    without_user = _USER_PART.sub(r"\g<scheme>", uri)
    head, mark, query = without_user.partition("?")
    kept = [item for item in query.split("&") if item and not _is_secret_parameter(item)]
    return _by_shape(head + (mark if kept else "") + "&".join(kept))[0]


def _scrubbed(name: str, value: object, found: list[Masking]) -> object:
    if isinstance(value, Mapping):
        return {key: _scrubbed(f"{name}.{key}", item, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrubbed(name, item, found) for item in value]
    if value is None or isinstance(value, (bool, float)):
        return value
    masked, reason = _examine(name, str(value))
    if not reason or (isinstance(value, int) and reason != _PASSWORD):
        return value
    found.append(Masking(name=name, reason=reason))
    return masked


def _examine(name: str, text: str) -> tuple[str, str]:
    """Give the text with secrets masked, and the reason if there is one."""
    masked, reason = _by_shape(text)
    if reason:
        return masked, reason
    reason = _suspicion(name)
    if reason and text and not _PLACEHOLDER.fullmatch(text) and (reason in _CERTAIN or _looks_random(text)):
        return MASK, reason
    return text, ""


# Shapes. Each pattern is bounded, so that the time for a long text is in proportion to its length.

_SHAPES = (
    ("a GitHub token", r"gh[pousr]_[A-Za-z0-9]{30,300}|github_pat_[A-Za-z0-9_]{22,300}"),
    ("a GitLab token", r"gl(?:pat|dt|rt|cbt)-[\w-]{20,300}"),
    ("a Hugging Face token", r"(?:hf|api_org)_[A-Za-z0-9]{30,300}"),
    ("an AWS key", r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("a Google key", r"AIza[\w-]{35}|ya29\.[\w-]{20,2000}"),
    (
        "an API key",
        r"(?:sk|pk|rk)-(?=[\w-]{0,60}[0-9])(?=[\w-]{0,60}[A-Z])[\w-]{20,300}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,300}",
    ),
    ("a Slack token", r"xox[abeoprs]-[\w-]{10,300}|https://hooks\.slack\.com/services/[\w/]{1,200}"),
    ("a package registry token", r"npm_[A-Za-z0-9]{30,300}|pypi-[\w-]{40,300}|dckr_pat_[\w-]{20,300}"),
    ("a cloud token", r"dop_v1_[a-f0-9]{60,300}|dapi[a-f0-9]{32}(?:-\d)?|SG\.[\w-]{16,100}\.[\w-]{16,100}"),
    ("a JSON Web Token", r"eyJ[\w-]{8,1000}\.eyJ[\w-]{8,4000}(?:\.[\w-]{0,2000})?"),
    (
        "a private key",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
    ),
)
_ANY_SHAPE = re.compile("|".join(rf"(?P<s{index}>{shape})" for index, (_, shape) in enumerate(_SHAPES)))
_BEARER = re.compile(
    r"(?P<scheme>\b(?:Bearer|Basic|token)\s{1,4})(?P<secret>(?=[\w.~+/=-]{0,60}[0-9])[\w.~+/=-]{16,4000})"
)
_URL_PASSWORD = re.compile(
    r"(?P<head>[a-z][a-z0-9+.-]{0,20}://[^\s/@:]{0,200}):(?P<secret>[^\s/@]{1,2000})@", re.IGNORECASE
)
_URL_USER = re.compile(r"(?P<head>https?://)(?P<secret>[^\s/@:]{1,2000})@", re.IGNORECASE)
_URL_PARAMETER = re.compile(r"(?P<head>[?&](?P<name>[\w.-]{1,100})=)(?P<secret>[^\s&#]+)")
_USER_PART = re.compile(r"(?P<scheme>^[a-z][a-z0-9+.-]*://)[^\s/@]*@", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]{1,100})(?P<is>[\"']?\s{0,2}[=:]\s{0,2}[\"']?)(?P<value>[^\s\"',;]+)"
)
_PARAMETERS = frozenset({
    "sig", "signature", "x-amz-signature", "x-amz-credential", "x-amz-security-token", "awsaccesskeyid",
    "x-goog-signature", "x-goog-credential", "googleaccessid", "key", "token", "auth", "code", "pwd", "pass",
})  # fmt: skip


def _by_shape(text: str) -> tuple[str, str]:
    reason = ""
    # the cheap test first: every record has many short texts, and each shape is longer than this
    if len(text) < _SHORTEST:
        return text, ""
    if _ANY_SHAPE.search(text):
        text, reason = _without_tokens(text)
    if "://" in text:
        text, in_url = _without_credentials(text)
        reason = reason or in_url
    without = _BEARER.sub(rf"\g<scheme>{MASK}", text)
    return without, reason or ("an authorization header" if without != text else "")


_SHORTEST = 8


def _without_tokens(text: str) -> tuple[str, str]:
    reasons: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if text[max(0, match.start() - 1) : match.start()].isalnum():
            return match[0]
        reasons.append(_SHAPES[int((match.lastgroup or "s0")[1:])][0])
        return MASK

    masked = _ANY_SHAPE.sub(replace, text)
    return masked, reasons[0] if reasons else ""


def _without_credentials(text: str) -> tuple[str, str]:
    masked = _URL_PASSWORD.sub(rf"\g<head>:{MASK}@", text)
    masked = _URL_USER.sub(rf"\g<head>{MASK}@", masked)
    masked = _URL_PARAMETER.sub(
        lambda match: match["head"] + (MASK if _is_secret_parameter(match[0][1:]) else match["secret"]),
        masked,
    )
    return masked, "credentials in a URL" if masked != text else ""


def _is_secret_parameter(item: str) -> bool:
    name = item.partition("=")[0].lower()
    return name in _PARAMETERS or _suspicion(name) in _CERTAIN


# Names.

_PASSWORD = "a password by its name"  # noqa: S105 - a reason, not one
_SECRET = "a secret by its name"  # noqa: S105
_RANDOM = "a random value under a suspicious name"
_CERTAIN = frozenset({_PASSWORD, _SECRET})

_PASSWORD_WORDS = ("password", "passwd", "passphrase", "pwd")
_FOLDERS = frozenset({"PWD", "OLDPWD"})
"""What shells call the working folder."""
_SECRET_WORDS = ("secret", "apikey", "credential", "credentials", "authorization")
_HOLDERS = frozenset({"secrets", "credentials"})
_SUSPICIOUS = frozenset({"token", "key", "pass", "auth", "pat", "secrets", "cookie", "sig", "signature"})
_OWNERS = frozenset({
    "access", "api", "app", "auth", "bearer", "bot", "client", "deploy", "encryption", "gh", "github", "gitlab", "hf",
    "hub", "huggingface", "id", "jwt", "master", "oauth", "personal", "private", "refresh", "registry", "secret",
    "service", "session", "shared", "sign", "signing", "slack", "ssh", "telegram", "wandb", "openai", "anthropic",
    "neptune", "comet", "account", "storage", "subscription", "license",
})  # fmt: skip
_PASS_OWNERS = frozenset(
    {"db", "database", "user", "admin", "root", "smtp", "mysql", "postgres", "pg", "redis", "login", "ssh"}
)
_HASH_KEYS = frozenset(
    {"cache", "sort", "primary", "foreign", "group", "data", "dict", "partition", "label", "dedup"}
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@lru_cache(maxsize=65536)
def _suspicion(name: str) -> str:
    """Tell by the last word of a name, and the one before, what it may hold."""
    parts = [
        [word.lower() for word in _WORDS.findall(part) if not word.isdigit()] for part in name.split(".")
    ]
    words: list[str] = next((part for part in reversed(parts) if part), [])
    last, before = (words[-1] if words else ""), (words[-2] if len(words) > 1 else "")
    if (last.endswith(_PASSWORD_WORDS) and name not in _FOLDERS) or (
        last == "pass" and before in _PASS_OWNERS
    ):
        return _PASSWORD
    if last.endswith(_SECRET_WORDS) or (last in {"token", "key"} and before in _OWNERS):
        return _SECRET
    if any(part and part[-1] in _HOLDERS for part in parts[:-1]):
        return _SECRET
    return _RANDOM if last in _SUSPICIOUS and before not in _HASH_KEYS else ""


_PLACEHOLDER = re.compile(
    r"\*+|none|null|true|false|yes|no|<[^<>]*>|\[[^\[\]]*\]|\$\{?\w+\}?|\{\{.*\}\}|env:\w+|", re.IGNORECASE
)
_RANDOM_TEXT = re.compile(r"[A-Za-z0-9+/=_.~-]{16,}")
_LEAST_BITS = 3.0
"""Of entropy a character: English words in snake case have less than random hex or base64 of this length."""


def _looks_random(text: str) -> bool:
    if not _RANDOM_TEXT.fullmatch(text) or not re.search("[0-9]", text) or not re.search("[A-Za-z]", text):
        return False
    return _entropy(text) >= _LEAST_BITS and not _is_worded(text)


def _is_worded(text: str) -> bool:
    """Tell names made of words and numbers, such as `bert-base-uncased-v2` or `runs/2026/model.pt`."""
    pieces = [piece for piece in re.split(r"[/_.=~+-]+", text) if piece]
    return len(pieces) > 1 and all(
        re.fullmatch(r"[A-Za-z]{1,12}[0-9]{0,4}|[0-9]{1,8}[A-Za-z]?", piece) for piece in pieces
    )


def _entropy(text: Iterable[str]) -> float:
    counts = Counter(text).values()
    total = sum(counts)
    return -sum(count / total * math.log2(count / total) for count in counts)
