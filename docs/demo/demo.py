"""`make demo`: real training in a scratch repository, and what the ledger says about it.

scikit-learn's digits (shipped with it) are classified by code that changes from commit to commit, on two branches,
with several seeds each; one run is made of uncommitted changes that are committed afterwards, one crashes, and one
logs each batch that it learns.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
PROJECT = Path(__file__).resolve().parent

TRAIN = '''\
"""Classify handwritten digits: python train.py SEED..."""
import json
import os
import sys

import yaml
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.model_selection import train_test_split

from model import build



def train(seed):
    params = {**yaml.safe_load(open("params.yaml")), "seed": seed}
    digits = load_digits()
    x, x_test, y, y_test = train_test_split(
        digits.data, digits.target, test_size=0.5, random_state=seed, stratify=digits.target
    )
    x, y = x[: params["samples"]], y[: params["samples"]]
    out = f"out/{seed}"
    os.makedirs(out, exist_ok=True)
    model = build(params)
    with open(f"{out}/curve.jsonl", "w") as curve:
        for step, share in enumerate((0.25, 0.5, 1.0)):
            part = max(int(len(x) * share), 20)
            model.fit(x[:part], y[:part])
            f1 = f1_score(y_test, model.predict(x_test), average="macro")
            curve.write(json.dumps({"step": step, "f1": f1}) + "\\n")
    found = model.predict(x_test)
    metrics = {"f1": f1_score(y_test, found, average="macro"), "accuracy": accuracy_score(y_test, found)}
    if hasattr(model, "predict_proba"):
        metrics["log_loss"] = log_loss(y_test, model.predict_proba(x_test))
    json.dump(metrics, open(f"{out}/metrics.json", "w"))
    json.dump(params, open(f"{out}/params.json", "w"))


for seed in sys.argv[1:]:
    train(int(seed))
'''

LIVE = '''\
"""Learn digits batch by batch, and log each one."""
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.model_selection import train_test_split

import ledger

digits = load_digits()
x, x_test, y, y_test = train_test_split(digits.data / 16, digits.target, random_state=0, stratify=digits.target)
model = SGDClassifier(loss="log_loss", alpha=1e-3, random_state=0)
with ledger.start(params={"c": 1e-3, "samples": len(x), "seed": 0}, tags={"kind": "live"}) as run:
    run.event("data read", rows=len(x))
    for step, start in enumerate(range(0, len(x) - 31, 32)):
        batch = slice(start, start + 32)
        model.partial_fit(x[batch], y[batch], classes=range(10))
        found = model.predict(x_test)
        run.log(f1=f1_score(y_test, found, average="macro"), accuracy=accuracy_score(y_test, found), step=step)
    run.summary["log_loss"] = log_loss(y_test, model.predict_proba(x_test))
'''

MODEL = """\
from sklearn.{module} import {model}
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import {scaler}


def build(params):
    return make_pipeline({scaler}(), {model}({arguments}))
"""


@dataclass(frozen=True)
class Version:
    """The code and params of one commit."""

    subject: str
    module: str = "linear_model"
    model: str = "LogisticRegression"
    scaler: str = "MinMaxScaler"
    arguments: str = "C=params['c'], max_iter=200, random_state=params['seed']"
    c: float = 0.01
    samples: int = 150

    def files(self) -> dict[str, str]:
        code = MODEL.format(
            module=self.module, model=self.model, scaler=self.scaler, arguments=self.arguments
        )
        return {"train.py": TRAIN, "model.py": code, "params.yaml": f"c: {self.c}\nsamples: {self.samples}\n"}


FOREST = "n_estimators=60, max_depth=params['c'], random_state=params['seed']"
ON_MAIN = (
    Version("Logistic regression"),
    Version("Regularise less", c=0.1),
    Version("Regularise far less", c=1.0),
    Version("Scale by variance", scaler="StandardScaler", c=1.0),
    Version("Use more data", scaler="StandardScaler", c=1.0, samples=400),
)
ON_BRANCH = (
    Version("Try a forest", "ensemble", "RandomForestClassifier", arguments=FOREST, c=5, samples=400),
    Version("Grow deeper trees", "ensemble", "RandomForestClassifier", arguments=FOREST, c=12, samples=400),
    Version("Use all data", "ensemble", "RandomForestClassifier", arguments=FOREST, c=12, samples=800),
)
DIRTY = Version(
    "Support vectors",
    "svm",
    "SVC",
    arguments="C=params['c'], random_state=params['seed']",
    c=5.0,
    samples=400,
)
RECORD = (
    "ledger record --params out/{seed}/params.json --metrics out/{seed}/metrics.json"
    " --history out/{seed}/curve.jsonl --dataset digits=https://scikit-learn.org/stable/datasets/toy_dataset.html"
)


class Shell:
    """Runs commands in the scratch repository; `show` prints them as a session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0
        home = folder.parent / "home"
        home.mkdir(exist_ok=True)
        people = {
            f"GIT_{who}_{what}": text
            for who in ("AUTHOR", "COMMITTER")
            for what, text in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))
        }
        scrubbed = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "LEDGER_"))}
        self.environ = {
            **scrubbed,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            **people,
        }

    def __call__(self, command: str, *, fails: bool = False) -> str:
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if (done.returncode != 0) is not fails:
            raise SystemExit(f"$ {command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def show(self, command: str, why: str = "") -> str:
        """Print the command, run it on the terminal itself, and return what it printed."""
        if why:
            print(f"\n# {why}")
        print(f"$ {command}", flush=True)
        out = self(command)
        print(out, end="", flush=True)
        return out

    def write(self, version: Version) -> None:
        for name, text in version.files().items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def commit(self, version: Version, at: int) -> None:
        self.write(version)
        date = time.strftime("%Y-%m-%dT%H:%M:%S +0000", time.gmtime(time.time() - 86400 * at))
        dated = f"GIT_AUTHOR_DATE={shlex.quote(date)} GIT_COMMITTER_DATE={shlex.quote(date)}"
        self(f"git add -A && {dated} git commit -q -m {shlex.quote(version.subject)}")

    def train(self, *seeds: int) -> None:
        records = " && ".join(RECORD.format(seed=seed) for seed in seeds)
        self(f"python train.py {' '.join(map(str, seeds))} && {records}")
        self.runs += len(seeds)


def main(words: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=3, help="runs for each commit")
    options.add_argument("--commits", type=int, default=len(ON_MAIN), help="at most so many on each branch")
    options.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / f"ledger-demo-{os.getuid()}"
    )
    given = options.parse_args(words)
    shutil.rmtree(given.folder, ignore_errors=True)
    project = given.folder / "digits"
    project.mkdir(parents=True)
    print(f"# A scratch repository in {project}; it stays until the next demo.\n")
    started = time.monotonic()
    shell = Shell(project)
    set_up(shell)
    train_everything(shell, given.seeds, ON_MAIN[: given.commits], ON_BRANCH[: given.commits])
    tour(shell)
    live(shell)
    change_of_meaning(shell)
    print(f"\n# {shell.runs} runs, {time.monotonic() - started:.0f} seconds. Look around: cd {project}")
    return 0


def set_up(shell: Shell) -> None:
    """A repository as a newcomer has it, and the ledger in it."""
    shell("git init -q -b main")
    (shell.folder / ".gitignore").write_text("out/\n__pycache__/\n", encoding="utf-8")
    shell.show(
        "ledger init --starter classification", "Settings and a first schema; nothing is committed for you."
    )


def train_everything(
    shell: Shell, seeds: int, on_main: Sequence[Version], on_branch: Sequence[Version]
) -> None:
    """Commits on two branches, several seeds each, one dirty run, one crash."""
    print(
        f"\n# Training: {len(on_main)} commits on main, {len(on_branch)} on exp/forest, {seeds} seeds each ...",
        flush=True,
    )
    day = len(on_main) + len(on_branch) + 2
    for version in on_main:
        shell.commit(version, day)
        day -= 1
        shell.train(*range(seeds))
    shell("git checkout -q -b exp/forest")
    for version in on_branch:
        shell.commit(version, day)
        day -= 1
        shell.train(*range(seeds))
    shell("git checkout -q main")
    print("# A run of uncommitted changes ...", flush=True)
    shell.write(DIRTY)
    shell.train(0)
    print("# ... which are committed afterwards; and one that crashes.", flush=True)
    shell.commit(DIRTY, day)
    (shell.folder / "params.yaml").write_text("c: -1\nsamples: 400\n", encoding="utf-8")
    shell("python train.py 1", fails=True)
    shell("ledger record --params params.yaml --status failed --note 'C must be positive'")
    shell.runs += 1
    shell("git checkout -q params.yaml")


def tour(shell: Shell) -> None:
    """What a user would ask next."""
    shell.show(
        "ledger log --metric f1 --metric log_loss",
        "The metric along main. The dirty run found the commit that holds its changes.",
    )
    shell.show("ledger log --metric f1 main..exp/forest --runs", "The branch alone, run by run.")
    shell.show(
        "ledger runs --where 'metrics.f1 > 0.9 and params.samples < 500' --sort -f1 --columns f1,log_loss,c,seed,branch -n 6",
        "The best with little data.",
    )
    shell.show("ledger runs --where \"status = 'failed'\" --columns status,c,note", "What died.")
    ids = re.findall(r"^[0-9a-f]{32}$", shell("ledger runs --sort -f1 --ids"), re.MULTILINE)
    shell.show(f"ledger diff {ids[-2][:8]} {ids[0][:8]}", "The worst against the best.")
    shell.show(f"ledger show {ids[0][:8]}", "The best, whole.")
    shell.show("git log --format='%h %s' -3 refs/runs/main", "It is all plain git.")
    shell.show("ledger status")
    shell.show("ledger verify")


def live(shell: Shell) -> None:
    """A model that learns batch by batch logs as it goes."""
    (shell.folder / "live.py").write_text(LIVE, encoding="utf-8")
    shell("git add live.py && git commit -q -m 'Learn batch by batch'")
    shell.show(
        "ledger run -- python live.py",
        "A run that logs each batch: killed at any moment, it would still be there.",
    )
    shell.runs += 1
    run = shell("ledger runs --where \"tags.kind = 'live'\" --ids").strip()
    shell.show(f"ledger show {run[:8]} --history f1 | head -1")
    shell.show(f"ledger show {run[:8]} --events")


PERCENT = ("json.dump(metrics", "metrics['f1'] *= 100\n    json.dump(metrics")
WEIGHTED = ('found, average="macro"), "accuracy"', 'found, average="weighted"), "accuracy"')


def change_of_meaning(shell: Shell) -> None:
    """Percent, then a fraction again; macro, then weighted: what converts, what breaks, and what best would have said."""
    schema = shell.folder / ".ledger/schemas/classification.json"
    fraction = schema.read_text(encoding="utf-8")
    code = (shell.folder / "train.py").read_text(encoding="utf-8")
    print("\n# Somebody prefers percent. Nothing compares until a migration says how.", flush=True)
    schema.write_text(_defined(fraction, "f1", unit="%"), encoding="utf-8")
    (shell.folder / "train.py").write_text(code.replace(*PERCENT), encoding="utf-8")
    shell.show("ledger schema migrate", "The draft is complete: the units give the exact factor.")
    shell("git add -A && git commit -q -m 'F1 in percent'")
    shell.train(0)
    shell.show("ledger log --metric f1 -n 3", "One scale, exact to the bit: → was converted.")
    shell.show(
        "ledger runs --sort -f1 --columns f1,branch -n 2", "The best run is the best, whatever its unit was."
    )
    print("\n# Then the average changes, and no formula leads from one to the other.", flush=True)
    weighted = _defined(schema.read_text(encoding="utf-8"), "f1", average="weighted")
    schema.write_text(weighted, encoding="utf-8")
    (shell.folder / "train.py").write_text(code.replace(*PERCENT).replace(*WEIGHTED), encoding="utf-8")
    shell("ledger schema migrate")
    _give_reason(shell, "averaged by class size now")
    shell("git add -A && git commit -q -m 'Weight F1 by class size'")
    shell.train(1)
    shell.show("ledger log --metric f1 -n 3", "A line with its reason, instead of a step that nobody made.")
    shell.show("ledger schema matrix f1")


def _defined(text: str, metric: str, *, unit: str | None = None, average: str | None = None) -> str:
    body = json.loads(text)
    definition = body["properties"]["metrics"]["properties"][metric]
    definition.pop("maximum", None)
    if unit:
        definition["x-ledger"]["unit"] = unit
    if average:
        definition["x-ledger"]["how"]["average"] = average
    return json.dumps(body, indent=2) + "\n"


def _give_reason(shell: Shell, reason: str) -> None:
    """What a person does in the editor: the `todo` goes, the reason stays."""
    for path in (shell.folder / ".ledger/migrations").glob("*/*.json"):
        body = json.loads(path.read_text(encoding="utf-8"))
        for operation in body["metrics"]:
            if operation.pop("todo", None) is not None:
                operation["reason"] = reason
        path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
