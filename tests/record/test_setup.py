"""The first files of a repository: valid, commented, and never written over anything."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import workspace

from ledger.config import open_workspace
from ledger.errors import InputError, NotFoundError, RepositoryError, StorageError
from ledger.record import setup
from ledger.schema import document, formats, starters

SOURCES = setup.Sources(
    params={"lr": 0.1, "opt": {"name": "adam"}},
    metrics={"val/f1": 0.9, "loss": 0.1, "odd [1]": 3},
    param_files=("conf/params.yaml",),
    metric_files=("out[1].json",),
)


@pytest.mark.parametrize(
    "plan",
    [setup.without_schema(), setup.from_starter("ranking"), setup.from_values(SOURCES, name="first")],
    ids=["bare", "starter", "values"],
)
def test_the_configuration_is_valid_with_every_example_in_it(plan: setup.Plan) -> None:
    text = plan.files[".ledger/config.toml"].decode()
    assert formats.check("config", tomllib.loads(text)) == ()
    # An example is a comment that is a setting: all of them switched on are valid together.
    lines = [
        line[2:] if line.startswith("# ") and " = " in line and "`" not in line else line
        for line in text.splitlines()
    ]
    whole = tomllib.loads("\n".join(lines))
    assert formats.check("config", whole) == ()
    assert {"params", "metrics", "environment", "packages"} <= set(whole["record"])


def test_a_starter_is_taken_as_it_is(repo: Repo) -> None:
    plan = setup.from_starter("classification", name="quality")
    written = setup.write(workspace(repo), plan)
    assert [path.name for path in written.created] == ["config.toml", "quality.json"]
    assert (repo.path / ".ledger/schemas/quality.json").read_bytes() == starters.load("classification")
    assert workspace(repo).config.schema == "quality"
    assert written.schemas == ("quality",)


def test_files_become_a_schema_and_what_record_reads_by_itself(repo: Repo) -> None:
    plan = setup.from_values(SOURCES)
    setup.write(workspace(repo), plan)
    config = workspace(repo).config
    assert (config.schema, config.params, config.metrics) == (
        "main",
        ("conf/params.yaml",),
        ("out[[]1].json",),
    )
    assert config.log_metrics == ("loss", "val/f1")
    assert plan.reads_files
    schema = document.parse(plan.files[".ledger/schemas/main.json"], name="main", what="main")
    assert document.validate(schema, SOURCES.params, SOURCES.metrics, origin=lambda *_: "") == ()


def test_nothing_is_overwritten(repo: Repo) -> None:
    repo.write(".ledger/config.toml", "[ledger]\nformat = 1\n")
    written = setup.write(workspace(repo), setup.from_starter("ranking"))
    assert [path.name for path in written.created] == ["ranking.json"]
    assert [path.name for path in written.existing] == ["config.toml"]
    assert (repo.path / ".ledger/config.toml").read_text() == "[ledger]\nformat = 1\n"
    again = setup.write(workspace(repo), setup.from_starter("ranking"))
    assert again.created == ()


def test_a_link_is_not_followed(repo: Repo, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (repo.path / ".ledger").mkdir()
    (repo.path / ".ledger/config.toml").symlink_to(target)
    found = open_workspace(repo.path, os.environ, anyhow=True)
    written = setup.write(found, setup.without_schema())
    assert written.created == ()
    assert not target.exists()


def test_a_file_where_a_folder_should_be(repo: Repo) -> None:
    repo.write(".ledger", "")
    with pytest.raises(StorageError, match="not a folder"):
        setup.write(workspace(repo), setup.without_schema())


def test_a_bare_repository_is_told_politely(make_repo: Callable[..., Repo]) -> None:
    bare = make_repo("bare.git", "--bare")
    with pytest.raises(RepositoryError, match="bare") as caught:
        setup.write(workspace(bare), setup.without_schema())
    assert "clone" in caught.value.hint


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 81, "é", "-x"])
def test_names_that_are_no_file_names(name: str) -> None:
    with pytest.raises(InputError):
        setup.schema_name(name)


def test_an_unknown_starter_suggests_a_near_one() -> None:
    with pytest.raises(NotFoundError) as caught:
        setup.from_starter("classificaton")
    assert caught.value.hint == "did you mean classification?"


def test_every_starter_makes_a_plan() -> None:
    for name in starters.names():
        plan = setup.from_starter(name)
        assert json.loads(plan.files[f".ledger/schemas/{name}.json"])
        assert plan.metrics
