"""Ranks, as launchers tell them."""

from __future__ import annotations

import pytest

from ledger.record.ranks import Rank, detect


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        ({}, None),
        ({"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}, Rank(launcher="torchrun", number=2, count=4)),
        (
            {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
            Rank(launcher="open mpi", number=1, count=2),
        ),
        ({"PMI_RANK": "0", "PMI_SIZE": "8"}, Rank(launcher="pmi", number=0, count=8)),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, Rank(launcher="slurm", number=3, count=4)),
        (
            {"SLURM_PROCID": "0", "SLURM_NTASKS": "2", "RANK": "5", "WORLD_SIZE": "16"},
            Rank(launcher="torchrun", number=5, count=16),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, None),
        ({"RANK": "3"}, None),
        ({"RANK": "first", "WORLD_SIZE": "2"}, None),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, None),
    ],
)
def test_ranks(environ: dict[str, str], rank: Rank | None) -> None:
    assert detect(environ) == rank
