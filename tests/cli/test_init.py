"""`ledger init` as a newcomer meets it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Ledger, Repo

from ledger.schema import starters


def test_without_options_it_writes_settings_and_says_what_is_next(repo: Repo, ledger: Ledger) -> None:
    out = ledger("init")
    assert "created .ledger/config.toml" in out
    assert "no schema" in out
    assert "git add .ledger/config.toml && git commit -m 'Set up ledger'" in out
    assert "git log --exclude='refs/runs/*' --exclude='refs/ledger/*' --all" in out
    assert repo.git("status", "--short") == "?? .ledger/", "nothing is added or committed"
    assert not (repo.path / ".ledger/schemas").exists()


def test_the_printed_commands_work(repo: Repo, ledger: Ledger) -> None:
    import subprocess

    out = ledger("init", "--starter", "ranking")
    lines = [line.strip() for line in out.splitlines()]
    add = next(line for line in lines if line.startswith("git add"))
    subprocess.run(add, shell=True, cwd=repo.path, check=True, capture_output=True)
    assert repo.git("status", "--short") == ""
    first = next(line for line in lines if line.startswith("ledger record")).partition("   ")[0]
    ledger(*first.split()[1:])
    hidden = next(line for line in lines if line.startswith("git log"))
    shown = subprocess.run(
        f"{hidden} --format=%s", shell=True, cwd=repo.path, check=True, capture_output=True, text=True
    )
    assert shown.stdout.split("\n")[:-1] == ["Set up ledger", "first"]
    assert len(repo.git("log", "--all", "--format=%s").splitlines()) > 2


@pytest.mark.parametrize("name", starters.names())
def test_a_starter_has_nothing_to_mend(name: str, repo: Repo, ledger: Ledger) -> None:
    ledger("init", "--starter", name)
    assert (repo.path / f".ledger/schemas/{name}.json").exists()
    assert ledger.json("schema", "check")["findings"] == []


def test_from_files_and_then_record_without_any_option(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("out/metrics.json", '{"f1": 0.91, "loss": 0.3}')
    repo.write("out/params.yaml", "lr: 0.1\n")
    monkeypatch.chdir(repo.path / "out")
    out = ledger("init", "--from", "metrics.json", "--params", "params.yaml")
    assert "git add ../.ledger/config.toml ../.ledger/schemas/main.json" in out
    assert "  ledger record\n" in out
    repo.commit("setup")
    assert "f1 0.91 loss 0.3" in ledger("record")


def test_twice_says_what_exists(repo: Repo, ledger: Ledger) -> None:
    ledger("init", "--starter", "regression")
    before = (repo.path / ".ledger/config.toml").read_bytes()
    out = ledger("init", "--starter", "ranking")
    assert "exists, left as it is: .ledger/config.toml" in out
    assert 'needs: schema = "ranking"' in out
    assert (repo.path / ".ledger/config.toml").read_bytes() == before
    again = ledger("init")
    assert "created" not in again
    assert "no schema" not in again


def test_a_second_schema_does_not_switch_checks_off_unsaid(repo: Repo, ledger: Ledger) -> None:
    ledger("init")
    ledger("init", "--starter", "regression")
    ledger("record", "-m", "rmse=-1", code=1)
    out = ledger("init", "--starter", "ranking")
    assert "with ranking and regression and none chosen there, nothing is checked" in out
    ledger("record", "-m", "rmse=-1")
    assert "nothing is checked" in ledger.err
    assert 'schema = "ranking"' in ledger.err
    ledger("run", "--", "true")
    assert "nothing is checked" in ledger.err
    ledger("record", "-m", "rmse=-1", "--schema", "regression", code=1)
    config = repo.path / ".ledger/config.toml"
    config.write_text(config.read_text().replace('# schema = "main"', 'schema = "regression"'))
    ledger("record", "-m", "rmse=-1", code=1)
    ledger("record", "-m", "rmse=1")
    assert "nothing is checked" not in ledger.err


def test_starters_are_listed_even_outside_of_a_repository(ledger: Ledger) -> None:
    out = ledger("init", "--list")
    assert [line.split()[0] for line in out.splitlines()] == [
        "classification",
        "regression",
        "ranking",
        "language-model",
    ]
    assert out == ledger("schema", "starters")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--starter", "nope"], 1, "no starter schema"),
        (["--starter", "ranking", "--metrics", "m.json"], 2, "exclude each other"),
        (["--name", "x"], 2, "--name names a schema"),
        (["--metrics", "absent.json"], 1, "no such file"),
        (["--starter", "ranking", "--name", "../x"], 1, "not a name for a schema"),
    ],
)
def test_what_can_not_be_is_refused_and_nothing_is_written(
    repo: Repo, ledger: Ledger, words: list[str], code: int, said: str
) -> None:
    ledger("init", *words, code=code)
    assert said in ledger.err
    assert not (repo.path / ".ledger").exists()


def test_outside_of_a_repository_and_in_a_bare_one(
    ledger: Ledger, make_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger("init", code=1)
    assert "not a git repository" in ledger.err
    monkeypatch.chdir(make_repo("bare.git", "--bare").path)
    ledger("init", code=1)
    assert "bare repository" in ledger.err


def test_in_a_repository_without_a_commit(
    ledger: Ledger, make_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_repo("fresh").path)
    assert "created .ledger/config.toml" in ledger("init")
