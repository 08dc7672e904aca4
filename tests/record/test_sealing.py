"""What is said of records whose sealed file vanished: only what is on its chain was recorded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
from conftest import Repo
from store.plumbing import REF, recorded, workspace

from ledger.errors import StorageError
from ledger.store.spool import Spool

Break = Callable[[int], None]


@pytest.fixture
def vanishing(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Break:
    """From now on the first so many attempts to write a ref fail, and the spool is emptied by hand meanwhile."""

    def begin(times: int) -> None:
        spool = Spool.of(workspace(repo).repository).folder
        folder = repo.path.parent / "bin"
        folder.mkdir()
        program = folder / "git"
        program.write_text(
            "#!/bin/sh\n"
            'case "$*" in *update-ref*)\n'
            f'  echo x >> "{folder}/count"\n'
            f'  if [ $(wc -l < "{folder}/count") -le {times} ]; then\n'
            f'    rm -f "{spool}"/*.zip; echo "fatal: not now" >&2; exit 128\n'
            "  fi;;\n"
            "esac\n"
            f'exec {shutil.which("git")} "$@"\n',
            encoding="utf-8",
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return begin


def test_a_sealed_file_that_was_deleted_is_sealed_again(repo: Repo, vanishing: Break) -> None:
    recorded(repo)
    vanishing(1)
    done = recorded(repo)
    assert done.chained
    assert (
        repo.git("log", "-1", "--format=%(trailers:key=Ledger-Record,valueonly)", REF).strip() == done.record
    )
    assert repo.git("rev-list", "--count", REF) == "2"


def test_a_record_whose_sealed_file_is_deleted_every_time_was_not_recorded(
    repo: Repo, vanishing: Break
) -> None:
    recorded(repo)
    vanishing(9)
    with pytest.raises(StorageError, match="deleted"):
        recorded(repo)
    assert repo.git("rev-list", "--count", REF) == "1"
