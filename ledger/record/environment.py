"""Where a run ran: host, Python, packages, processors, and the environment variables that were asked for.

Nothing here starts a process or imports a package of the user's: versions are read off the names of the
`*.dist-info` folders, which costs a tenth of what `importlib.metadata` costs to import.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from ledger.model import Json
from ledger.record.secrets import scrub

WELL_KNOWN = (
    "accelerate", "catboost", "datasets", "diffusers", "evaluate", "fastai", "flax", "gymnasium", "jax", "jaxlib", "keras",
    "lightgbm", "lightning", "numpy", "onnxruntime", "optax", "optuna", "pandas", "peft", "polars", "pyarrow",
    "pytorch-lightning", "ray", "safetensors", "scikit-learn", "scipy", "sentence-transformers", "spacy",
    "stable-baselines3", "statsmodels", "tensorflow", "timm", "tokenizers", "torch", "torchaudio", "torchvision",
    "transformers", "trl", "ultralytics", "vllm", "xgboost",
)  # fmt: skip
"""Packages whose version is recorded when the configuration names none."""

_GPUS = Path("/proc/driver/nvidia/gpus")
_AMD_GPUS = Path("/sys/bus/pci/drivers/amdgpu")
_DISTRIBUTION = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")


def capture(
    *, allow: Sequence[str], packages: Sequence[str], environ: Mapping[str, str], prefix: str | None = None
) -> dict[str, Json]:
    """Describe this process's environment; what is not known is absent.

    Keys: `host`, `platform`, `python`, `cpus` (those this process may use), `gpus` (names), `packages` (name →
    version), `variables` (name → value, masked where it looks like a secret) and `masked` (what was, and why).

    `allow` has the names or patterns (`SLURM_*`) of the variables to record; no others are. `packages` has names of
    packages; without any, the well-known ones that are installed are recorded. `prefix` is the folder of another
    virtual environment (`VIRTUAL_ENV`), for when the program that ran the training is not this process.
    """
    variables, masked = scrub(_allowed(environ, allow))
    system = os.uname()
    facts: dict[str, Json] = {
        "host": system.nodename,
        "platform": f"{system.sysname} {system.release} {system.machine}",
        "python": _python(prefix),
        "cpus": _cpus(),
        "gpus": list(gpus()),
        "packages": dict(_versions(tuple(packages or WELL_KNOWN), tuple(_folders(prefix)))),
        "variables": dict(variables),
        "masked": [str(report) for report in masked],
    }
    return {name: fact for name, fact in facts.items() if fact not in (None, [], {})}


def gpus(nvidia: Path = _GPUS, amd: Path = _AMD_GPUS) -> tuple[str, ...]:
    """Name the NVIDIA and AMD GPUs as the drivers' files do; none without them.

    An AMD board that doesn't say what it is called has its PCI id: `AMD GPU 1002:740c`.
    """
    return tuple(name for name in (*_nvidia(nvidia), *_amd(amd)) if name)


@lru_cache(maxsize=4)
def _nvidia(folder: Path) -> tuple[str, ...]:
    return tuple(_model(device / "information") for device in _devices(folder))


def _model(file: Path) -> str:
    lines = _text(file).splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("Model:")), "")


@lru_cache(maxsize=4)
def _amd(folder: Path) -> tuple[str, ...]:
    """`product_name` is empty where the board has no such memory (kernel: gpu/amdgpu/driver-misc)."""
    boards = (device for device in _devices(folder) if ":" in device.name)
    return tuple(_text(board / "product_name") or _pci_name(board) for board in boards)


def _pci_name(device: Path) -> str:
    vendor, model = (_text(device / name).removeprefix("0x") for name in ("vendor", "device"))
    return f"AMD GPU {vendor}:{model}" if vendor and model else ""


def _devices(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _allowed(environ: Mapping[str, str], allow: Sequence[str]) -> dict[str, str]:
    return {
        name: environ[name]
        for name in sorted(environ)
        if any(fnmatchcase(name, pattern) for pattern in allow)
    }


def _cpus() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _python(prefix: str | None) -> str | None:
    if prefix is None or Path(prefix) == Path(sys.prefix):
        return ".".join(map(str, sys.version_info[:3]))
    try:
        text = Path(prefix, "pyvenv.cfg").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    pairs = (line.partition("=") for line in text.splitlines())
    known = {key.strip(): value.strip() for key, _, value in pairs}
    return known.get("version") or known.get("version_info")


def _folders(prefix: str | None) -> Iterator[str]:
    if prefix is None or Path(prefix) == Path(sys.prefix):
        yield from (folder for folder in sys.path if folder)
    else:
        yield from map(str, sorted(Path(prefix).glob("lib*/python3*/site-packages")))


@lru_cache(maxsize=16)
def _versions(packages: tuple[str, ...], folders: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Give the version of each package that is there; of two, the one that Python would import."""
    wanted = {_normal(name): name for name in packages}
    found: dict[str, str] = {}
    for name, version in _distributions(folders):
        if name in wanted:
            found.setdefault(wanted[name], version)
    return tuple(sorted(found.items()))


def _distributions(folders: Iterable[str]) -> Iterator[tuple[str, str]]:
    for folder in folders:
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        for match in map(_DISTRIBUTION.fullmatch, (entry for entry in entries if entry.endswith("-info"))):
            if match:
                yield _normal(match["name"]), match["version"]


@lru_cache(maxsize=4096)
def _normal(name: str) -> str:
    """Normalise a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
