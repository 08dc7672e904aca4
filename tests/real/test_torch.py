"""PyTorch on real digits: tensors are logged as numbers, loaders that fork do no harm, and of two processes both log."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from conftest import Ledger, Repo

import ledger as package

torch: Any = pytest.importorskip("torch", reason="torch is not here: make torch")
datasets: Any = pytest.importorskip("sklearn.datasets")

pytestmark = pytest.mark.torch
EPOCHS, BATCH = 3, 64


def loader(workers: int) -> Any:
    x, y = datasets.load_digits(return_X_y=True)
    data = torch.utils.data.TensorDataset(torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y))
    return torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=workers)


def test_a_training_loop_logs_what_it_computes(repo: Repo, ledger: Ledger) -> None:
    assert repo.path.is_dir()
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    kept: list[tuple[int, float]] = []
    step = 0
    with package.start(params={"lr": 0.01, "model": str(model)}) as run:
        batches = loader(workers=2)
        for epoch in range(EPOCHS):
            for x, y in batches:
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                run.log({"loss": loss, "epoch": epoch}, step=step)
                kept.append((step, loss.item()))
                step += 1
        with torch.no_grad():
            x, y = next(iter(loader(workers=0)))
            run.summary["accuracy"] = (model(x).argmax(1) == y).float().mean()
        run.log_many("weight", None, model[2].bias.detach().numpy())
        torch.save(model.state_dict(), "model.pt")
        run.artifact("model", "last", "model.pt")
    points = ledger.json("show", run.id, "--history", "loss")
    assert [(point["step"], point["value"]) for point in points] == kept
    assert kept[-1][1] < kept[0][1] / 2, "it learns"
    shown = ledger.json("show", run.id)
    assert shown["run"]["status"] == "finished"
    assert shown["metrics"]["accuracy"]["value"] > 0.5
    assert len(ledger.json("runs")) == 1, "what forked recorded nothing"


DISTRIBUTED = """
import torch, torch.distributed as dist
import ledger
dist.init_process_group("gloo")
with ledger.start(params={"world": dist.get_world_size()}) as run:
    for step in range(5):
        value = torch.tensor(float(dist.get_rank() + step))
        run.log(mine=value, step=step)
        dist.all_reduce(value)
        if dist.get_rank() == 0:
            run.log(total=value, step=step)
dist.destroy_process_group()
"""


@pytest.mark.parametrize("shared", [False, True], ids=["rank 0 records", "all log into one run"])
def test_of_two_processes(repo: Repo, ledger: Ledger, shared: bool) -> None:
    repo.write("train.py", DISTRIBUTED)
    own = {"LEDGER_RUN": "d" * 32} if shared else {}
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "train.py"],
        cwd=repo.path,
        env={**os.environ, **own, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
    )
    (row,) = ledger.json("runs")
    points = ledger.json("show", row["run_id"], "--history")
    found = {(one["metric"], one.get("context"), one["step"]): one["value"] for one in points}
    assert {key: value for key, value in found.items() if key[0] == "total"} == {
        ("total", None, step): 1 + 2 * step for step in range(5)
    }
    ranks = (0, 1) if shared else (0,)
    assert {key[1:]: value for key, value in found.items() if key[0] == "mine"} == {
        ('{"rank": 1}' if rank else None, step): rank + step for rank in ranks for step in range(5)
    }
    assert row["params.world"] == 2
