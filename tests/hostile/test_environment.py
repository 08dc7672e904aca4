"""`GIT_*` variables of another command, `git replace` and grafts: no command says anything else for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import blob, recorded

from ledger.git.process import LOCAL_VARIABLES

COMMANDS = (
    ("runs", "--json"),
    ("log", "--metric", "f1", "--json"),
    ("log", "--metric", "f1", "--json", "--", "train.py"),
    ("verify", "--json"),
)
MISLEADING = {
    "GIT_INDEX_FILE": "{other}/index",
    "GIT_OBJECT_DIRECTORY": "{other}/objects",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "{other}/objects",
    "GIT_COMMON_DIR": "{other}",
    "GIT_NAMESPACE": "x",
    "GIT_PREFIX": "sub/",
    "GIT_GRAFT_FILE": "{other}/grafts",
    "GIT_SHALLOW_FILE": "{other}/shallow",
    "GIT_REPLACE_REF_BASE": "refs/heads",
    "GIT_CONFIG": "{other}/config",
    "GIT_EXTERNAL_DIFF": "{other}/canary",
    "GIT_PAGER": "{other}/canary",
    "GIT_EDITOR": "{other}/canary",
    "GIT_DIFF_OPTS": "-u0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_GLOB_PATHSPECS": "1",
    "GIT_NOGLOB_PATHSPECS": "1",
    "GIT_ICASE_PATHSPECS": "1",
    "GIT_ATTR_SOURCE": "HEAD",
    "GIT_DEFAULT_HASH": "sha256",
    "GIT_OPTIONAL_LOCKS": "1",
    "GIT_NO_REPLACE_OBJECTS": "0",
    "GIT_TRACE": "1",
    "GIT_TRACE2": "1",
    "GIT_TRACE_SETUP": "2",
    "GIT_ADVICE": "1",
    "GIT_FLUSH": "0",
    "LC_ALL": "de_DE.UTF-8",
    "LANGUAGE": "de",
}


@pytest.fixture
def ledgered(repo: Repo) -> Repo:
    recorded(repo, metrics={"f1": 0.25})
    repo.commit("second", train__py="print('more')\n")
    recorded(repo, metrics={"f1": 0.5})
    return repo


def told(ledger: Ledger) -> list[object]:
    return [ledger.json(*[word for word in words if word != "--json"]) for words in COMMANDS]


def canary(folder: Path) -> Path:
    path = folder / "canary"
    path.write_text(f"#!/bin/sh\ntouch {folder}/ran\n")
    path.chmod(0o755)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    [[*MISLEADING], *([name] for name in MISLEADING)],
    ids=lambda names: names[0] if len(names) == 1 else "all",
)
def test_variables_change_no_answer(
    ledgered: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    before = told(ledger)
    other = tmp_path / "other"
    other.mkdir()
    canary(other)
    first = ledgered.git("rev-list", "--max-parents=0", "HEAD")
    (other / "grafts").write_text(f"{ledgered.git('rev-parse', 'HEAD')}\n")
    (other / "shallow").write_text(f"{first}\n")
    for name in names:
        monkeypatch.setenv(name, MISLEADING[name].format(other=other))
    assert told(ledger) == before
    assert ledger.json("runs", "-e", "main", "-n", "1")[0]["author"] == "Ada Test"
    ledger("record", "-m", "f1=0.75")
    for name in names:
        monkeypatch.delenv(name)
    assert len(ledger.json("runs")) == 3
    assert ledgered.git("status", "--porcelain") == ""
    assert not (other / "ran").exists()
    assert ledger.json("verify")["faults"] == []


def test_every_variable_of_another_command_is_among_them() -> None:
    told = {"GIT_DIR", "GIT_WORK_TREE"}  # respected when the repository is looked for
    internal = {"GIT_IMPLICIT_WORK_TREE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_QUARANTINE_PATH"}
    assert set(LOCAL_VARIABLES) - told - internal <= set(MISLEADING)


@pytest.mark.slow
def test_replaced_objects_are_not_followed(ledgered: Repo, ledger: Ledger) -> None:
    before = told(ledger)
    real = ledgered.git("rev-parse", "refs/runs/main:metrics.json")
    ledgered.git("replace", real, blob(ledgered, b'{\n  "f1": 0.99\n}\n'))
    ledgered.git("replace", ledgered.git("rev-parse", "HEAD"), ledgered.git("rev-parse", "HEAD~1"))
    (ledgered.path / ".git/ledger").rename(ledgered.path / ".git/away")
    assert told(ledger) == before


@pytest.mark.slow
def test_grafts_are_not_followed(ledgered: Repo, ledger: Ledger) -> None:
    before = told(ledger)
    grafts = ledgered.path / ".git/info/grafts"
    grafts.parent.mkdir(exist_ok=True)
    tips = [ledgered.git("rev-parse", name) for name in ("HEAD", "refs/runs/main")]
    grafts.write_text("".join(f"{tip}\n" for tip in tips))  # without parents
    assert ledgered.git("rev-list", "--count", "HEAD") == "1", "git itself follows them"
    (ledgered.path / ".git/ledger").rename(ledgered.path / ".git/away")
    assert told(ledger) == before
    recorded(ledgered, metrics={"f1": 1.0})
    os.unlink(grafts)
    assert ledgered.git("rev-list", "--count", "refs/runs/main") == "3"


def test_settings_come_from_the_repository_whatever_file_git_config_is_told(
    ledgered: Repo, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledgered.git("config", "ledger.environment", "SEED")
    (tmp_path / "other").write_text("[ledger]\n\tenvironment = SECRET\n")
    monkeypatch.setenv("GIT_CONFIG", str(tmp_path / "other"))
    monkeypatch.setenv("SEED", "7")
    monkeypatch.setenv("SECRET", "x")
    done = ledger.json("record", "-m", "f1=1")
    environment = ledger.json("show", done["id"])["run"]["environment"]
    assert environment["variables"] == {"SEED": "7"}
