"""The scripts that ship for clusters, CI systems, make and DVC: their lines run here as they would there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Ledger, Repo
from hooks.forge import Forge, serving

from ledger import resources

HOOKS = resources.folder("hooks")
TRAIN = """\
import json, sys
json.dump({"f1": 0.9}, open("metrics.json", "w"))
sys.exit(int(open("code").read()))
"""


@pytest.fixture
def project(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    repo.write(".gitignore", "metrics.json\ncode\n")
    repo.commit("project", train__py=TRAIN, params__yaml="lr: 0.1\n", data__csv="a\n1\n")
    repo.write("code", "0")
    return repo


def shell(
    script: str, folder: Path, *, shell: str = "sh", **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, "-e", "-c", script],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    with serving(tmp_path) as found:
        yield found


def only(ledger: Ledger, *words: str) -> dict[str, Any]:
    (row,) = ledger.json("runs", *words)
    return dict(row)


JOB = {
    "SLURM_JOB_ID": "42",
    "SLURM_JOB_NAME": "digits",
    "SLURM_ARRAY_TASK_ID": "3",
    "LEDGER_METRICS": "metrics.json",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sh", "bash"])
@pytest.mark.parametrize(("code", "status"), [(3, "failed"), (0, "finished")])
def test_a_slurm_job_is_recorded_when_its_script_ends(
    project: Repo, ledger: Ledger, kind: str, code: int, status: str
) -> None:
    project.write("code", str(code))
    script = f". {HOOKS}/slurm-epilogue.sh\npython train.py"
    done = shell(script, project.path, shell=kind, **JOB, SLURM_SUBMIT_DIR=str(project.path))
    assert done.returncode == code, done.stderr
    row = only(ledger)
    assert (row["status"], row["name"], row["metrics.f1"]) == (status, "digits", 0.9)
    assert (row["tags.slurm_job"], row["tags.slurm_array_task"], row["tags.exit_code"]) == (
        "42",
        "3",
        str(code),
    )


@pytest.mark.slow
def test_a_slurm_job_whose_time_is_up_is_recorded_as_killed(project: Repo, ledger: Ledger) -> None:
    project.write("metrics.json", '{"f1": 0.1}')
    os.utime(project.path / "metrics.json", (1, 1))
    script = f". {HOOKS}/slurm-epilogue.sh\necho ready\nsleep 60 &\nwait $!"
    job = subprocess.Popen(
        ["sh", "-c", script], cwd=project.path, env={**os.environ, **JOB, "LEDGER_PARAMS": "params.yaml"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    job.send_signal(signal.SIGTERM)
    try:
        assert job.wait(60) == 143
    finally:
        with suppress(ProcessLookupError):  # its children may be gone already
            os.killpg(job.pid, signal.SIGKILL)
    assert "was not written by this job" in job.communicate()[1]
    row = only(ledger)
    assert (row["status"], row["params.lr"]) == ("killed", 0.1)
    assert "metrics.f1" not in row


def clone(project: Repo, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As CI has it: of depth 1, at a commit and no branch."""
    project.git("clone", "-q", "--bare", str(project.path), "../remote.git")
    project.git("clone", "-q", "--depth=1", f"file://{project.path.parent}/remote.git", "../ci")
    folder = project.path.parent / "ci"
    subprocess.run(["git", "checkout", "-q", "--detach"], cwd=folder, check=True)
    (folder / "code").write_text((project.path / "code").read_text())
    monkeypatch.chdir(folder)
    return folder


def published(project: Repo) -> list[str]:
    return project.git("-C", "../remote.git", "for-each-ref", "--format=%(refname)").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "outcome", "status"), [("0", "success", "finished"), ("2", "failure", "failed")]
)
def test_the_github_job(
    project: Repo,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    forge: Forge,
    code: str,
    outcome: str,
    status: str,
) -> None:
    project.write("code", code)
    job = yaml.safe_load((HOOKS / "github-actions.yml").read_text())["jobs"]["train"]
    folder = clone(project, monkeypatch)
    subprocess.run(["git", "remote", "set-url", "origin", f"{forge.url}/remote.git"], cwd=folder, check=True)
    before = (folder / ".git" / "config").read_bytes()
    environ = {"GITHUB_REF_NAME": "main", "GITHUB_RUN_ID": "77"}
    context = {
        "${{ steps.train.outcome }}": outcome,
        "${{ github.token }}": forge.token,
        "${{ github.server_url }}": forge.url,
    }
    for step in job["steps"]:
        if "run" not in step or step["name"] == "Install":
            continue
        own = {name: _filled(value, context) for name, value in step.get("env", {}).items()}
        assert "${{" not in step["run"] + "".join(own.values()), "expressions in a script are injections"
        done = shell(step["run"], folder, shell="bash", **environ, **own)
        assert done.returncode == (int(code) if step["name"] == "Train" else 0), done.stderr
        assert step["name"] == "Train" or step["if"].startswith("always()")
    assert (folder / ".git" / "config").read_bytes() == before
    assert job["steps"][0]["with"] == {"persist-credentials": False}
    row = only(ledger)
    assert (row["status"], row["experiment"], row["tags.ci_run"]) == (status, "main", "77")
    assert (row["params.lr"], row["metrics.f1"]) == (0.1, 0.9)
    assert [ref for ref in published(project) if "/runs/" in ref or "/inbox/" in ref]
    assert {user for user, _ in forge.logins} == {"x-access-token"}


def _filled(text: str, context: dict[str, str]) -> str:
    for expression, value in context.items():
        text = text.replace(expression, value)
    return text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "outcome", "status"),
    [("0", "success", "finished"), ("2", "failed", "failed")],
)
def test_the_gitlab_job(
    project: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, code: str, outcome: str, status: str
) -> None:
    folder = clone(project, monkeypatch)
    _gitlab(folder, code, outcome)
    row = only(ledger)
    assert (row["status"], row["experiment"], row["tags.ci_run"]) == (status, "main", "78")
    assert [ref for ref in published(project) if "/runs/" in ref or "/inbox/" in ref]


@pytest.mark.slow
def test_the_gitlab_job_shows_its_token_to_its_server_and_leaves_it_nowhere(
    project: Repo, monkeypatch: pytest.MonkeyPatch, forge: Forge
) -> None:
    folder = clone(project, monkeypatch)
    before = (folder / ".git" / "config").read_bytes()
    host, _, port = forge.url.removeprefix("http://").partition(":")
    server = {"CI_SERVER_PROTOCOL": "http", "CI_SERVER_HOST": host, "CI_SERVER_PORT": port}
    _gitlab(folder, "0", "success", LEDGER_TOKEN=forge.token, CI_PROJECT_PATH="remote", **server)
    assert [ref for ref in published(project) if "/runs/" in ref or "/inbox/" in ref]
    assert set(forge.logins) - {("ledger", "")} == {("ledger", forge.token)}
    assert (folder / ".git" / "config").read_bytes() == before
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if forge.token.encode() in path.read_bytes()]


def _gitlab(folder: Path, code: str, outcome: str, **further: str) -> None:
    (folder / "code").write_text(code)
    job = yaml.safe_load((HOOKS / "gitlab-ci.yml").read_text())["train"]
    environ = {"CI_COMMIT_REF_NAME": "main", "CI_JOB_ID": "78", "CI_JOB_STATUS": outcome, **further}
    assert shell("\n".join(job["script"]), folder, **environ).returncode == int(code)
    done = shell("\n".join(job["after_script"]), folder, **environ)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
def test_the_rules_for_make(project: Repo, ledger: Ledger) -> None:
    project.write("Makefile", f"train:\n\tpython train.py\ninclude {HOOKS}/ledger.mk\n")
    done = shell("make run-train LEDGER_FLAGS='--tag by=make'", project.path)
    assert done.returncode == 0, done.stderr
    assert only(ledger)["tags.by"] == "make"
    shell("make record LEDGER_FLAGS='--name later'", project.path)
    row = only(ledger, "-w", "name = 'later'")
    assert (row["params.lr"], row["metrics.f1"]) == (0.1, 0.9)
    project.write("code", "1")
    assert shell("make run-train", project.path).returncode == 2
    assert only(ledger, "-w", "status = 'failed'")["metrics.f1"] == 0.9


@pytest.mark.slow
def test_the_dvc_pipeline(project: Repo, ledger: Ledger) -> None:
    """Its commands in the order of their dependencies; DVC itself is not asked."""
    stages = yaml.safe_load((HOOKS / "dvc.yaml").read_text())["stages"]
    made = {
        name
        for stage in stages.values()
        for name in (next(iter(one), "") for one in stage.get("metrics", ()))
    }
    assert set(stages["record"]["deps"]) <= made
    for stage in stages.values():
        done = shell(stage["cmd"], project.path)
        assert done.returncode == 0, done.stderr
    row = only(ledger)
    assert row["metrics.f1"] == 0.9
    (data,) = ledger.json("show", row["run_id"])["run"]["artifacts"]
    assert (data["role"], data["name"], data["uri"]) == ("dataset", "train", "data.csv")


def test_every_shell_script_can_be_read_by_every_shell_that_is_here() -> None:
    scripts = [path for path in HOOKS.iterdir() if path.suffix == ".sh" or not path.suffix]
    assert len(scripts) >= 4
    for kind in filter(shutil.which, ("sh", "dash", "bash", "zsh", "ksh")):
        for script in scripts:
            done = subprocess.run([kind, "-n", str(script)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{kind} {script.name}: {done.stderr}"
            assert not re.search(r"\[\[|local |function ", script.read_text()), (
                f"{script.name}: not of every shell"
            )
