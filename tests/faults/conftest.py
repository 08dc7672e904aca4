"""Small disks of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Repo
from faults.crew import Mount


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Makes a small disk of its own at a name: a tmpfs of so many KiB."""
    mounted: list[Path] = []

    def make(name: str, kilobytes: int) -> Path:
        place = tmp_path / name
        place.mkdir()
        options = f"size={kilobytes}k,mode=777"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"no disk may be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def small(mount: Mount) -> Repo:
    """A repository with one commit and one run on a disk of 4 MiB."""
    place = mount("disk", 4096)
    subprocess.run(["git", "init", "-q", "-b", "main", str(place / "repo")], check=True, capture_output=True)
    made = Repo(place / "repo")
    made.commit("first", train__py="print('training')\n")
    return made
