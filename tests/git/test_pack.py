from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest
from conftest import Repo

from ledger.git import housekeeping, objects
from ledger.git.objects import GitObject
from ledger.git.pack import deflated, joined, pack
from ledger.git.process import Repository, discover

_LINES = [f'  "name_{number}": {number / 7},' for number in range(40)]


def repository(repo: Repo) -> Repository:
    return discover(repo.path, os.environ)


def varied(seed: int, count: int, changed: int) -> list[GitObject]:
    """Texts of the same lines but for some, now and then with long lines, with none, and of other kinds."""
    source = random.Random(seed)
    found = []
    for number in range(count):
        lines = list(_LINES)
        for place in source.sample(range(len(lines)), changed):
            lines[place] = source.choice(["", "x" * source.randrange(400), f"{source.random()}\r", "\0\n\n"])
        ending = source.choice(["", "\n"])
        found.append(objects.make("blob", ("\n".join(lines) + ending).encode(), "sha1"))
        if number % 10 == 0:
            found.append(objects.make("blob", source.randbytes(source.randrange(3000)), "sha1"))
            found.append(objects.make("blob", b"", "sha1") if number == 0 else found[-1])
    return list({item.id: item for item in found}.values())


def stored(repo: Repo, data: bytes, items: list[GitObject]) -> None:
    subprocess.run(
        ["git", "index-pack", "--stdin", "--strict"],
        cwd=repo.path,
        input=data,
        capture_output=True,
        check=True,
    )
    assert objects.read(repository(repo), [item.id for item in items]) == items


@pytest.mark.parametrize("changed", [0, 1, 3, 20, 40])
@pytest.mark.parametrize("deltas", [False, True])
def test_git_reads_back_every_object_of_a_pack(repo: Repo, changed: int, deltas: bool) -> None:
    items = varied(changed, 60, changed)
    stored(repo, pack(items, "sha1", 1, deltas=deltas), items)


def test_what_differs_in_few_lines_takes_little_room() -> None:
    texts = ["\n".join([*_LINES, f'  "id": {number}']).encode() for number in range(200)]
    items = [objects.make("blob", text, "sha1") for text in texts]
    assert len(pack(items, "sha1", 1, deltas=True)) < 0.15 * len(pack(items, "sha1", 1))


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_trees_of_the_same_names_are_stored_as_their_ids(
    make_repo: Callable[..., Repo], object_format: str
) -> None:
    repo = make_repo("trees", f"--object-format={object_format}")
    blobs = [objects.make("blob", f"{number}".encode(), object_format) for number in range(50)]
    source = random.Random(8)
    shapes = [["run.json", "params.json", "metrics.json"], ["run.json", "params.json", "metrics.jsom"], ["a"]]
    trees = {}
    for number in range(100):
        names = shapes[number % 3 if number < 40 else 0]
        made = objects.flat_tree({name: source.choice(blobs).id for name in names}, object_format)
        trees[made.id] = made
    items = [*blobs, *trees.values(), objects.make("tree", b"", object_format)]
    data = pack(items, object_format, 1, deltas=True)
    assert len(data) < len(pack(items, object_format, 1))
    subprocess.run(["git", "index-pack", "--stdin", "--strict"], cwd=repo.path, input=data, check=True)
    assert objects.read(repository(repo), [item.id for item in items]) == items


def test_large_objects_and_distant_bases(repo: Repo) -> None:
    source = random.Random(2)
    large = [objects.make("blob", source.randbytes(70_000 + number), "sha1") for number in range(40)]
    first, *rest = varied(3, 30, 2)
    items = [first, *large, *rest]
    stored(repo, pack(items, "sha1", 1, deltas=True), items)


def test_packs_become_one(repo: Repo) -> None:
    parts = [varied(4, 20, 2), varied(5, 30, 3)[3:], [objects.make("blob", b"one more", "sha1")]]
    packs = [pack(items, "sha1", 1, deltas=True) for items in parts]
    stored(repo, joined(packs, "sha1"), [item for items in parts for item in items])


def test_packs_that_hold_the_same_objects_become_one(repo: Repo) -> None:
    """Two snapshots of a work tree share what changed in both."""
    items = varied(6, 20, 2)
    data = joined([pack(items, "sha1", 1, deltas=True), pack(items[:7], "sha1", 1)], "sha1")
    here = repository(repo)
    with housekeeping.marked(here, [data]):
        assert objects.read(here, [item.id for item in items]) == items
    repo.git("gc", "-q")
    objects.unpack(here, data)
    assert objects.read(here, [item.id for item in items]) == items
    repo.git("fsck", "--strict", "--no-dangling")


@pytest.mark.parametrize("kept", [1, 2, 5])
def test_what_was_deflated_before_is_packed_as_it_is_if_its_base_is_there(repo: Repo, kept: int) -> None:
    items = [item for item in varied(7, 40, 2) if item.body]
    made = [replace(item, deflated=one) for item, one in zip(items, deflated(items, 1), strict=True)]
    assert any(one.deflated and one.deflated.base for one in made)
    assert pack(made, "sha1", 1) == pack(items, "sha1", 1, deltas=True)
    some = random.Random(kept).sample(made, len(made) // kept)  # bases lack, and stand behind what needs them
    stored(repo, pack(some, "sha1", 1, deltas=True), some)
