"""Which of many processes this one is, as torchrun, Slurm and MPI say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LAUNCHERS = (
    ("torchrun", "RANK", "WORLD_SIZE"),
    ("open mpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("mvapich", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("pmi", "PMI_RANK", "PMI_SIZE"),
    ("slurm", "SLURM_PROCID", "SLURM_NTASKS"),
)
"""(launcher, variable of the rank, variable of how many there are), the innermost first: torchrun under srun counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    launcher: str
    number: int
    count: int


def detect(environ: Mapping[str, str]) -> Rank | None:
    """The place of a process among several; None when it is alone."""
    for launcher, rank, size in LAUNCHERS:
        number, count = environ.get(rank, ""), environ.get(size, "")
        if number.isascii() and number.isdecimal() and count.isascii() and count.isdecimal():
            return Rank(launcher=launcher, number=int(number), count=int(count)) if int(count) > 1 else None
    return None
