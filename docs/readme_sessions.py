"""The sessions of README.md."""

from __future__ import annotations

from session import Shell, Step

TRAIN = """\
import json, random
random.seed({seed})
f1 = {f1} + random.uniform(-0.01, 0.01)
json.dump({{"lr": {lr}, "depth": 3}}, open("params.json", "w"))
json.dump({{"f1": round(f1, 4), "loss": round(1 - f1, 4)}}, open("metrics.json", "w"))
"""
RECORD = "python train.py && ledger record --params params.json --metrics metrics.json"
VERSIONS = (
    (0.84, 0.05, "Train longer"),
    (0.81, 0.2, "Try a larger learning rate"),
    (0.88, 0.02, "Normalise"),
)
"""Further commits, each trained and recorded: F1, learning rate, subject."""


def set_up(shell: Shell) -> None:
    """A project as a newcomer has it."""
    _write_training(shell, 0.79, 0.1)
    (shell.folder / ".gitignore").write_text("params.json\nmetrics.json\n", encoding="utf-8")
    shell("git add . && git commit -qm 'First model'")


def _write_training(shell: Shell, f1: float, rate: float) -> None:
    shell.day += 1
    text = TRAIN.format(seed=shell.day, f1=f1, lr=rate)
    (shell.folder / "train.py").write_text(text, encoding="utf-8")


def _train_on(shell: Shell) -> None:
    for f1, rate, subject in VERSIONS:
        _write_training(shell, f1, rate)
        shell(f"git commit -qam '{subject}'")
        shell(RECORD)


SESSIONS: dict[str, tuple[Step, ...]] = {
    "first-run": (
        "ledger init --starter classification",
        "git add .ledger && git commit -qm 'Set up the ledger'",
        RECORD,
        "ledger log --metric f1",
        _train_on,
    ),
    "trace": ("ledger log --metric f1 --metric loss",),
    "runs": ("ledger runs --where 'metrics.f1 > 0.8 and params.lr < 0.1' --sort -f1 --columns f1,lr,branch",),
    "plain-git": ("git log --format='%h %s' refs/runs/main",),
}
