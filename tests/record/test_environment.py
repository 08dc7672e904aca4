"""What is recorded of the surroundings, and what it costs."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import ledger
from ledger.record import environment

QUIET: dict[str, str] = {}


def test_the_facts_of_this_process() -> None:
    facts = environment.capture(allow=(), packages=("PyYAML", "pytest", "no-such-package"), environ=QUIET)
    assert facts["python"] == platform.python_version()
    assert facts["host"] == platform.node()
    assert facts["platform"] == f"{platform.system()} {platform.release()} {platform.machine()}"
    assert facts["cpus"] == len(os.sched_getaffinity(0))
    assert facts["packages"] == {"PyYAML": metadata.version("PyYAML"), "pytest": metadata.version("pytest")}
    assert "variables" not in facts
    assert "masked" not in facts


def test_well_known_packages_without_a_choice() -> None:
    facts = environment.capture(allow=(), packages=(), environ=QUIET)
    assert isinstance(facts["packages"], dict)
    assert facts["packages"]["pyarrow"] == metadata.version("pyarrow")
    assert set(facts["packages"]) <= set(environment.WELL_KNOWN)


def test_names_of_packages_in_any_spelling() -> None:
    facts = environment.capture(
        allow=(), packages=("Pytest_Xdist", "jsonschema-specifications"), environ=QUIET
    )
    assert facts["packages"] == {
        "Pytest_Xdist": metadata.version("pytest-xdist"),
        "jsonschema-specifications": metadata.version("jsonschema-specifications"),
    }


def test_only_allowed_variables_are_recorded() -> None:
    environ = {
        "SLURM_JOB_ID": "5",
        "SLURM_NTASKS": "2",
        "HOME": "/root",
        "OMP_NUM_THREADS": "1",
        "XSLURM_A": "1",
    }
    facts = environment.capture(allow=("SLURM_*", "OMP_NUM_THREADS", "ABSENT"), packages=(), environ=environ)
    assert facts["variables"] == {"OMP_NUM_THREADS": "1", "SLURM_JOB_ID": "5", "SLURM_NTASKS": "2"}


def test_allowed_variables_that_look_like_secrets_are_masked_and_said() -> None:
    environ = {"MY_API_KEY": "abc", "MY_URL": "https://u:p@x.org", "MY_SEED": "7"}
    facts = environment.capture(allow=("MY_*",), packages=(), environ=environ)
    assert facts["variables"] == {"MY_API_KEY": "***", "MY_URL": "https://u:***@x.org", "MY_SEED": "7"}
    assert facts["masked"] == ["MY_API_KEY (a secret by its name)", "MY_URL (credentials in a URL)"]


def test_gpus_by_the_files_of_the_driver(tmp_path: Path) -> None:
    for device, text in {
        "0000:01:00.0": "Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ: 5\n",
        "0000:02:00.0": "IRQ: 6\n",
    }.items():
        (tmp_path / device).mkdir()
        (tmp_path / device / "information").write_text(text)
    nowhere = tmp_path / "nowhere"
    assert environment.gpus(tmp_path, nowhere) == ("NVIDIA A100-SXM4-80GB",)
    assert environment.gpus(nowhere, nowhere) == ()


def test_amd_gpus_by_what_the_board_says_or_its_pci_id(tmp_path: Path) -> None:
    for device, files in {
        "0000:03:00.0": {"product_name": "AMD Instinct MI250X\n", "vendor": "0x1002\n", "device": "0x740c\n"},
        "0000:04:00.0": {"product_name": "\n", "vendor": "0x1002\n", "device": "0x744c\n"},
        "0000:05:00.0": {},
        "module": {"vendor": "0x1002", "device": "0x1"},
    }.items():
        (tmp_path / device).mkdir()
        for name, text in files.items():
            (tmp_path / device / name).write_text(text)
    (tmp_path / "bind").write_text("")
    found = environment.gpus(tmp_path / "nowhere", tmp_path)
    assert found == ("AMD Instinct MI250X", "AMD GPU 1002:744c")


@pytest.mark.parametrize("key", ["version", "version_info"])
def test_another_virtual_environment(tmp_path: Path, key: str) -> None:
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    for name in (
        "torch-2.9.1+cu128.dist-info",
        "scikit_learn-1.8.0.dist-info",
        "old-1.0-py3.12.egg-info",
        "numpy",
        "x-info",
    ):
        (site / name).mkdir(parents=True)
    (tmp_path / "pyvenv.cfg").write_text(f"home = /usr/bin\n{key} = 3.12.7\n")
    facts = environment.capture(
        allow=(), packages=("torch", "scikit-learn", "old", "numpy"), environ=QUIET, prefix=str(tmp_path)
    )
    assert facts["python"] == "3.12.7"
    assert facts["packages"] == {"old": "1.0", "scikit-learn": "1.8.0", "torch": "2.9.1+cu128"}


def test_a_virtual_environment_that_is_gone(tmp_path: Path) -> None:
    facts = environment.capture(allow=(), packages=(), environ=QUIET, prefix=str(tmp_path / "gone"))
    assert "python" not in facts
    assert "packages" not in facts


def test_it_imports_and_starts_nothing_heavy() -> None:
    done = _python(
        "from ledger.record import environment\n"
        "environment.capture(allow=('*',), packages=(), environ={})\n"
        "print(*sorted({'importlib.metadata', 'subprocess', 'platform', 'socket', 'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    assert done == ""


def test_the_second_time_reads_nothing_again() -> None:
    done = _python(
        "from ledger.record import environment\n"
        "read = []\n"
        "reads = ('open', 'os.listdir', 'os.scandir')\n"
        "sys.addaudithook(lambda event, args: read.append(args[0]) if event in reads else None)\n"
        "environment.capture(allow=('*',), packages=(), environ={'SLURM_JOB_ID': '1'})\n"
        "first = len(read)\n"
        "environment.capture(allow=('SLURM_*',), packages=(), environ={'SLURM_JOB_ID': '2'})\n"
        "print(first > 0, read[first:])"
    )
    assert done == "True []"


def _python(code: str) -> str:
    """What a process of its own prints."""
    top = str(Path(ledger.__file__).parents[1])
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {top!r})\n{code}"]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
