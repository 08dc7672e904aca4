"""What an ingest that was killed had sealed and not chained yet."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import Ledger, Repo

from ledger.git.process import discover
from ledger.store.sealed import packed
from ledger.store.sealed import read as sealed
from ledger.store.spool import Spool, write_durably


def test_it_is_chained_by_the_next_one_which_then_deletes_its_files(
    repo: Repo, ledger: Ledger, tmp_path: Path
) -> None:
    place = tmp_path / "shared"
    run = ledger.json("record", "--spool", str(place), "-e", "sweep", "-m", "f1=0.5")["id"]
    (path,) = place.glob("*.zip")
    spool = Spool.of(discover(repo.path, os.environ))
    write_durably(spool.folder / path.name, packed(sealed(path)))

    done = ledger.json("ingest", str(place), "--delete")
    assert (done["known"], done["deleted"]) == (1, 1)
    assert spool.pending() == []
    assert repo.git("log", "--format=%(trailers:key=Ledger-Run,valueonly)", "refs/runs/sweep").split() == [
        run
    ]
    assert list(place.iterdir()) == []
