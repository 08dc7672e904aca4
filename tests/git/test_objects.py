"""Objects are named as git names them, stored by git, and read in bulk within limits."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from conftest import Repo

from ledger.errors import FormatError, GitError
from ledger.git import objects
from ledger.git.process import Repository, discover
from ledger.model import Author


@pytest.fixture(params=["sha1", "sha256"])
def place(request: pytest.FixtureRequest, make_repo: Callable[..., Repo]) -> Repo:
    made = make_repo("place", f"--object-format={request.param}")
    made.commit("first", train__py="1\n")
    return made


def repository(repo: Repo) -> Repository:
    return discover(repo.path, os.environ)


def batch(form: str, count: int = 3) -> list[objects.GitObject]:
    blobs = [
        objects.make("blob", os.urandom(number * 7 % 90) + b"%d" % number, form) for number in range(count)
    ]
    tree = objects.flat_tree({f"f{number:04}": blob.id for number, blob in enumerate(blobs)}, form)
    author = Author(name="Ada <é>\n", email="a b>@example.com")
    commit = objects.commit(
        tree=tree.id, parents=[], author=author, seconds=-5, message="s\0ubject\n\nbody\n", object_format=form
    )
    return [*blobs, tree, commit]


@pytest.mark.parametrize("count", [3, 150])
def test_ids_are_those_of_git_loose_and_packed(place: Repo, count: int) -> None:
    here = repository(place)
    made = batch(here.object_format, count)
    objects.write(here, made)
    assert objects.missing(here, [item.id for item in made]) == []
    assert objects.read(here, [item.id for item in made]) == made
    place.git("update-ref", "refs/runs/x", made[-1].id)
    place.git("fsck", "--strict", "--no-dangling")
    assert (
        place.git("show", "-s", "--format=%an|%ae|%at|%s", made[-1].id) == "Ada é|a b@example.com|0|subject"
    )


def test_nothing_is_written_for_nothing(place: Repo) -> None:
    before = place.git("count-objects")
    objects.write(repository(place), [])
    assert place.git("count-objects") == before


def test_a_large_file_that_is_compressed_in_itself_is_not_deflated_again(place: Repo) -> None:
    here = repository(place)
    dense, other = b"PAR1" + bytes(300_000), b"text" + bytes(300_000)
    made = [objects.make("blob", body, here.object_format) for body in (dense, other)]
    objects.write(here, made)
    assert objects.read(here, [one.id for one in made]) == made
    stored, deflated = (here.common_dir / "objects" / one.id[:2] / one.id[2:] for one in made)
    assert stored.stat().st_size > 300_000
    assert deflated.stat().st_size < 3_000
    place.git("fsck", "--strict", "--no-dangling")


def test_one_blob_of_known_size(place: Repo) -> None:
    here = repository(place)
    blob = objects.make("blob", os.urandom(200_000), here.object_format)
    objects.write(here, [blob])
    assert here.blob(blob.id, 200_000) == blob.body
    for name, size in ((blob.id, 199_999), (blob.id, 200_001), (here.zeros, 0)):
        with pytest.raises(GitError):
            here.blob(name, size)


def test_a_tree_comes_back(place: Repo) -> None:
    here = repository(place)
    tree = batch(here.object_format)[3]
    entries = objects.parse_tree(tree.body, here.object_format)
    assert [(entry.mode, entry.name) for entry in entries] == [
        (b"100644", f"f{number:04}") for number in range(3)
    ]
    assert objects.flat_tree({entry.name: entry.id for entry in entries}, here.object_format) == tree


@pytest.mark.parametrize("body", [b"x", b"100644 a\0", b"100644 a\0" + b"1" * 19, b"100644\0" + b"1" * 20])
def test_bytes_that_are_no_tree(body: bytes) -> None:
    with pytest.raises(FormatError):
        objects.parse_tree(body, "sha1")


def test_what_is_missing_is_told(place: Repo) -> None:
    here = repository(place)
    head = place.git("rev-parse", "HEAD")
    absent = "1" * len(here.zeros)
    assert objects.missing(here, [head, absent]) == [absent]
    found = objects.read(here, [absent, f"{head}:train.py", f"{head}:absent"])
    assert found[0] is None
    assert found[1]
    assert found[1].body == b"1\n"
    assert found[2] is None
    assert objects.read(here, []) == []
    assert objects.sizes(here, [absent, f"{head}:train.py"]) == [None, 2]


@pytest.mark.slow
def test_bulk_reading_passes_over_what_is_too_large_and_goes_on(place: Repo) -> None:
    here = repository(place)
    blobs = [
        objects.make("blob", bytes([number % 250]) * (number * 50), here.object_format)
        for number in range(1200)
    ]
    objects.write(here, blobs)
    names = [blob.id for blob in blobs]
    with objects.reader(here, max_bytes=30_000) as bulk:
        found = bulk.read([*names, here.zeros])
        assert [item == blob for item, blob in zip(found, blobs, strict=False)].count(True) == 601
        assert found[601:] == [None] * 600
        assert bulk.read(names[:2]) == blobs[:2]


def test_a_brief_conversation_asks_for_sizes_before_it_reads(place: Repo) -> None:
    here = repository(place)
    blobs = [objects.make("blob", b"x" * size, here.object_format) for size in (0, 7, 90_000)]
    objects.write(here, blobs)
    names = [blob.id for blob in blobs]
    with objects.reader(here, max_bytes=30_000, brief=True) as bulk:
        assert bulk.sizes([*names, here.zeros]) == [0, 7, 90_000, None]
        assert bulk.read([]) == []
        assert bulk.read(names) == [*blobs[:2], None]
        assert bulk.sizes(names[1:2]) == [7]


def test_bulk_reading_ahead_of_the_answers(place: Repo) -> None:
    here = repository(place)
    blobs = [
        objects.make("blob", b"%d" % number * (1 + number % 999), here.object_format) for number in range(900)
    ]
    tree = objects.flat_tree({"a": blobs[0].id}, here.object_format)
    objects.write(here, [*blobs, tree])
    names = [blob.id for blob in blobs]
    bodies = [blob.body for blob in blobs]
    with objects.reader(here, max_bytes=1_500) as bulk:
        assert bulk.ahead(len(names[0])) > 2 * 300
        bulk.ask([*names[:300], here.zeros, tree.id])
        bulk.ask(names[300:600])
        assert bulk.bodies(302, "blob") == [
            *(b if len(b) <= 1_500 else None for b in bodies[:300]),
            None,
            None,
        ]
        bulk.ask(names[600:])
        assert bulk.bodies(600, "blob") == [body if len(body) <= 1_500 else None for body in bodies[300:]]
        bulk.ask([tree.id])
        assert bulk.bodies(1, "tree") == [tree.body]


def test_bulk_reading_inside_a_hooks_environment(place: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    here = repository(place)
    head = place.git("rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nonexistent")
    with objects.reader(here, max_bytes=1000) as bulk:
        found = bulk.read([head])[0]
        assert found
        assert found.kind == "commit"
