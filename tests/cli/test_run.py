"""`ledger run`: programs of any language as runs, with their output, their signals and their deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo
from record.lived import events

PROGRAM = [sys.executable, "-m", "ledger", "run"]


def started(repo: Repo, *words: str, **popen: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *words],
        cwd=repo.path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        **popen,
    )


def says(process: subprocess.Popen[str], word: str) -> None:
    """Wait until the program under it has printed a line."""
    assert process.stdout is not None
    assert process.stdout.readline().strip() == word


def only(ledger: Ledger) -> dict[str, Any]:
    (row,) = ledger.json("runs")
    return dict(row)


def shown(ledger: Ledger, row: dict[str, Any]) -> dict[str, Any]:
    return dict(ledger.json("show", row["run_id"]))


def test_what_the_configuration_names_is_read_at_the_start_and_at_the_end(repo: Repo, ledger: Ledger) -> None:
    repo.write(".ledger/config.toml", '[record]\nparams = ["params.yaml"]\nmetrics = ["out/*.json"]\n')
    repo.write("params.yaml", "lr: 0.1\n")
    repo.write("out/old.json", '{"f1": 0.1}')
    repo.commit("set up")
    repo.write("params.yaml", "lr: 0.2\n")
    script = 'echo "lr: 9" > params.yaml; echo "{\\"f1\\": 0.9}" > out/new.json; echo done'
    ledger("run", "--", "sh", "-c", script)
    row = only(ledger)
    assert (row["params.lr"], row["metrics.f1"], row["status"]) == (0.2, 0.9, "finished")
    assert row["tags.exit_code"] == "0"
    assert row["code.dirty"] is False, "its own inputs don't make it dirty"
    assert shown(ledger, row)["run"]["command"] == ["sh", "-c", script]
    assert row["duration"] > 0


def test_its_own_files_are_no_change_of_the_code(repo: Repo, ledger: Ledger) -> None:
    repo.commit("as DVC keeps them", metrics__json='{"f1": 0.1}')
    ledger(
        "run", "--metrics", "metrics.json", "sh", "-c", "echo '{\"f1\": 0.9}' > metrics.json; echo > train.py"
    )
    assert "at the start: train.py\n" in ledger.err
    assert only(ledger)["code.dirty"] is False


def test_options_are_those_of_record(repo: Repo, ledger: Ledger) -> None:
    repo.write("data.csv", "a\n1\n")
    script = 'printf "step,loss\\n1,0.5\\n2,0.25\\n" > curve.csv; echo x > model.bin'
    ledger("run", "-p", "lr=0.1", "-m", "given=3", "--history", "curve.csv", "--dataset", "train=data.csv",
           "--model", "best=model.bin", "--tag", "stage=sweep", "--name", "one", "--seed", "7", "-e", "exp",
           "sh", "-c", script)  # fmt: skip
    row = only(ledger)
    assert (row["experiment"], row["name"], row["tags.stage"], row["params.seed"]) == (
        "exp",
        "one",
        "sweep",
        7,
    )
    assert (row["metrics.given"], row["metrics.loss"]) == (3, 0.25)
    made = shown(ledger, row)["run"]["artifacts"]
    assert [(one["role"], one["name"], one["uri"]) for one in made] == [
        ("dataset", "train", "data.csv"),
        ("model", "best", "model.bin"),
    ]
    points = ledger.json("show", row["run_id"], "--history")
    assert [(one["step"], one["value"]) for one in points] == [(1, 0.5), (2, 0.25)]


def test_what_it_did_not_write_is_left_out(repo: Repo, ledger: Ledger) -> None:
    repo.write("m.json", '{"f1": 0.1}')
    repo.write("model.bin", "old")
    ledger("run", "--metrics", "m.json", "--model", "model.bin", "--output", "none", "true")
    assert "m.json was not written by this run" in ledger.err
    assert "model.bin was not written by this run" in ledger.err
    assert "none is not there" in ledger.err
    row = only(ledger)
    assert "metrics.f1" not in row
    assert shown(ledger, row)["run"].get("artifacts", []) == []


def test_what_can_not_be_read_costs_nothing_else(repo: Repo, ledger: Ledger) -> None:
    ledger(
        "run",
        "-m",
        "a=1",
        "--metrics",
        "m.json",
        "--output",
        "o",
        "sh",
        "-c",
        "echo broken > m.json; echo > o",
    )
    assert "m.json" in ledger.err
    row = only(ledger)
    assert (row["status"], row["metrics.a"]) == ("finished", 1)
    assert len(shown(ledger, row)["run"]["artifacts"]) == 1
    assert [one["level"] for one in events(repo)] == ["error"]


def test_bad_input_is_told_before_anything_runs(repo: Repo, ledger: Ledger) -> None:
    ledger("run", "--params", "none.yaml", "--", "touch", "ran", code=1)
    ledger("run", "--params", "-", "--", "touch", "ran", code=2)
    ledger("run", code=2)
    assert not (repo.path / "ran").exists()


def test_a_failure_keeps_its_exit_code_and_the_last_lines(repo: Repo, ledger: Ledger) -> None:
    script = (
        "i=0; while [ $i -lt 60 ]; do echo line $i >&2; i=$((i+1)); done;"
        "printf '10%%\\r90%%\\nfailed: token=ghp_0123456789abcdefghijABCDEFGHIJ012345\\n' >&2; exit 7"
    )
    ledger("run", "--", "sh", "-c", script, code=7)
    row = only(ledger)
    assert (row["status"], row["tags.exit_code"]) == ("failed", "7")
    reason = shown(ledger, row)["run"]["reason"]
    assert reason.startswith("exit code 7: failed: token=")
    (event,) = events(repo)
    lines = event["fields"]["lines"]
    assert lines[-2] == "90%"
    assert lines[-3] == "line 59"
    assert len(lines) == 40
    assert "ghp_0123" not in repo.git("show", "refs/runs/main:events.jsonl") + reason


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, "killed"), (signal.SIGSEGV, "failed")])
def test_a_death_by_a_signal_is_128_and_its_number(
    repo: Repo, ledger: Ledger, number: signal.Signals, status: str
) -> None:
    assert repo.path.is_dir()
    ledger("run", "--", "sh", "-c", f"kill -{int(number)} $$", code=128 + number)
    row = only(ledger)
    assert row["status"] == status
    assert shown(ledger, row)["run"]["reason"] == number.name


def test_a_program_that_is_not_there_or_not_one_is_not_recorded(repo: Repo, ledger: Ledger) -> None:
    ledger("run", "--", "no-such-program", code=127)
    assert "no-such-program: no such program" in ledger.err
    ledger("run", "--", "./train.py", code=126)
    ledger("run", "--", "./none.sh", code=127)
    assert ledger.json("runs") == []
    broken = repo.write("broken", "#!/no/such/shell\n")
    broken.chmod(0o755)
    ledger("run", "--", "./broken", code=126)
    assert only(ledger)["status"] == "failed"


def test_output_passes_through_byte_by_byte(repo: Repo) -> None:
    script = (
        "import os; d = bytes(range(256)) * 2000; os.write(1, d); os.write(2, d[::-1]); os.write(1, b'end')"
    )
    process = subprocess.run(
        [*PROGRAM, "-q", sys.executable, "-c", script], cwd=repo.path, capture_output=True, check=True
    )
    data = bytes(range(256)) * 2000
    assert process.stdout == data + b"end"
    assert process.stderr == data[::-1]


def test_input_is_the_programs(repo: Repo) -> None:
    done = subprocess.run([*PROGRAM, "cat"], cwd=repo.path, input=b"hello", capture_output=True, check=True)
    assert done.stdout == b"hello"


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_program_as_it_would_without(repo: Repo, ledger: Ledger) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "yes"], cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(60) == 128 + signal.SIGPIPE
    assert only(ledger)["status"] == "failed"


@pytest.mark.long
def test_what_it_leaves_running_is_not_waited_for(repo: Repo, ledger: Ledger) -> None:
    process = started(repo, "sh", "-c", "(exec sleep 60) & echo $!; echo out")
    assert process.stdout is not None
    sleeper = int(process.stdout.readline())
    try:
        assert process.wait(30) == 0
        assert process.stdout.readline() == "out\n"
    finally:
        os.kill(sleeper, signal.SIGKILL)
        process.communicate()
    assert only(ledger)["status"] == "finished"


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_signal_reaches_the_whole_group_and_the_run_is_killed(
    repo: Repo, ledger: Ledger, number: signal.Signals
) -> None:
    script = f"trap 'echo caught; exit 0' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    process = started(repo, "sh", "-c", script)
    says(process, "ready")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert out == "caught\n", err
    assert process.returncode == 0, "the program's exit code, although it was told to end"
    row = only(ledger)
    assert row["status"] == "killed"
    assert shown(ledger, row)["run"]["reason"] == number.name


@pytest.mark.slow
def test_signals_that_mean_something_else_only_pass_on(repo: Repo, ledger: Ledger) -> None:
    process = started(
        repo, "sh", "-c", "trap 'echo saved; exit 0' USR1; echo ready; while :; do sleep 0.05; done"
    )
    says(process, "ready")
    process.send_signal(signal.SIGUSR1)
    assert process.communicate(timeout=60)[0] == "saved\n"
    assert only(ledger)["status"] == "finished"


@pytest.mark.slow
def test_after_the_grace_it_is_killed(repo: Repo, ledger: Ledger) -> None:
    process = started(
        repo, "--grace", "0.1", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    )
    says(process, "ready")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    row = only(ledger)
    assert (row["status"], shown(ledger, row)["run"]["reason"]) == ("killed", "SIGTERM")


def test_killed_itself_it_is_recovered_as_lost(repo: Repo, ledger: Ledger) -> None:
    process = started(repo, "-p", "lr=0.1", "sh", "-c", "echo ready $$; exec sleep 60")
    assert process.stdout is not None
    child = int(process.stdout.readline().split()[1])
    assert ledger.json("status")["running"], "it is alive"
    process.kill()
    process.communicate(timeout=60)
    os.kill(child, signal.SIGKILL)
    row = only(ledger)
    assert (row["status"], row["params.lr"]) == ("lost", 0.1)


def test_a_python_program_logs_into_the_same_run(repo: Repo, ledger: Ledger) -> None:
    repo.write("live.py", "import ledger\nwith ledger.start(params={'depth': 3}) as run:\n"
               "    for step in range(3):\n        run.log(loss=1 / (step + 1), step=step)\n")  # fmt: skip
    ledger("run", "-p", "lr=0.1", "--", sys.executable, "live.py")
    row = only(ledger)
    assert (row["params.lr"], row["params.depth"], row["metrics.loss"]) == (0.1, 3, 1 / 3)
    assert len(ledger.json("show", row["run_id"], "--history")) == 3


@pytest.mark.slow
def test_a_run_within_a_run_belongs_to_it(
    repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = f"cd {repo.path} && {' '.join(PROGRAM)}"
    ledger("run", "--name", "outer", "--", "sh", "-c", f"{inner} --name inner true")
    rows = {row["name"]: row for row in ledger.json("runs")}
    assert rows["inner"]["parent"] == rows["outer"]["run_id"]
    assert rows["outer"]["parent"] is None
    monkeypatch.setenv("LEDGER_RUN", rows["outer"]["run_id"])
    ledger("run", "--name", "later", "true")
    fresh = "f" * 32
    monkeypatch.setenv("LEDGER_RUN", fresh)
    ledger("run", "--name", "told", "true")
    rows = {row["name"]: row for row in ledger.json("runs")}
    assert rows["later"]["parent"] == rows["outer"]["run_id"]
    assert rows["told"]["run_id"] == fresh, "an id that nobody has is the run's own"


def test_of_many_ranks_the_first_records(repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("SLURM_PROCID", rank)
        ledger("run", "--", "sh", "-c", f"echo {rank} >> {repo.path}/ranks; exit {rank}", code=int(rank))
    assert (repo.path / "ranks").read_text() == "0\n1\n"
    assert only(ledger)["status"] == "finished"


def test_it_works_as_if_started_elsewhere(repo: Repo, ledger: Ledger) -> None:
    (repo.path / "sub").mkdir()
    ledger(
        "-C",
        str(repo.path / "sub"),
        "run",
        "--metrics",
        "m.json",
        "sh",
        "-c",
        'echo "{\\"f1\\": 1}" > m.json',
    )
    assert only(ledger)["metrics.f1"] == 1
    assert (repo.path / "sub/m.json").exists()


def test_the_terminal_can_be_left_to_the_program(repo: Repo, capfd: pytest.CaptureFixture[str]) -> None:
    from ledger.cli.main import run

    assert run(["run", "-q", "--no-tee", "sh", "-c", "echo out; echo err >&2; exit 4"]) == 4
    assert capfd.readouterr() == ("out\n", "err\n")
    assert repo.git("ls-tree", "--name-only", "refs/runs/main").splitlines().count("events.jsonl") == 0


@pytest.mark.slow
def test_time_passes_while_it_runs(repo: Repo, ledger: Ledger) -> None:
    before = time.time()
    ledger("run", "sleep", "0.2")
    assert 0.2 <= only(ledger)["duration"] <= time.time() - before
    assert Path(repo.path / ".git/ledger/journal").is_dir()
    assert not list(Path(repo.path / ".git/ledger/journal").iterdir())


@pytest.mark.slow
def test_it_ends_with_what_was_recorded_and_quiet_says_nothing(repo: Repo) -> None:
    (repo.path / "new.py").write_text("x = 1\n")
    code = f"f1 0.5  code {repo.git('rev-parse', 'HEAD')[:9]}"
    said = started(repo, "-m", "f1=0.5", "--", "true").communicate(timeout=60)[1]
    assert "untracked source file, not part of the recorded code: new.py" in said
    assert said.rstrip().endswith(f" in main: {code}")
    said = started(repo, "-m", "f1=0.5", "--", "false").communicate(timeout=60)[1]
    assert said.rstrip().endswith(f" in main (failed): {code}")
    assert started(repo, "-q", "-m", "f1=0.5", "--", "true").communicate(timeout=60)[1] == ""
