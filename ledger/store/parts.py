"""The history files of one recorded run, without its other files."""

from __future__ import annotations

from ledger.errors import FormatError, GitError
from ledger.git.objects import TreeEntry
from ledger.git.process import Repository
from ledger.store import codec
from ledger.store.load import Place, record_at


def history_at(repository: Repository, place: Place) -> dict[str, bytes]:
    """Parts by name; sizes are looked at before anything is read. Raises FormatError, NotFoundError as `record_at`."""
    if not place.commit:
        return dict(record_at(repository, place).history)
    listed = _listed(repository, place.commit)
    wrong = codec.check_tree(list(listed))
    if wrong:
        raise FormatError(f"{place.commit[:12]}: {wrong}")
    parts = {entry: size for entry, size in listed.items() if codec.HISTORY.fullmatch(entry.name)}
    for entry, size in parts.items():
        if size is None:
            raise FormatError(f"{place.commit[:12]}: {entry.name} is missing from the repository")
        if size > codec.max_bytes(entry.name):
            limit = codec.max_bytes(entry.name)
            raise FormatError(f"{place.commit[:12]}: {entry.name}: {size:,} bytes, the limit is {limit:,}")
    return {entry.name: _blob(repository, place.commit, entry, size or 0) for entry, size in parts.items()}


def _blob(repository: Repository, commit: str, entry: TreeEntry, size: int) -> bytes:
    try:
        return repository.blob(entry.id, size)
    except GitError as error:
        raise FormatError(
            f"{commit[:12]}: {entry.name} can't be read", hint="`ledger verify` says what is wrong"
        ) from error


def _listed(repository: Repository, commit: str) -> dict[TreeEntry, int | None]:
    """What the tree of a commit names, and how large it is; None: git can't find it, or it is no file."""
    try:
        output = repository.git("ls-tree", "-l", "-z", commit)
    except GitError as error:
        raise FormatError(
            f"{commit[:12]} can't be read", hint="`ledger verify` says what is wrong"
        ) from error
    found: dict[TreeEntry, int | None] = {}
    for line in output.split(b"\0")[:-1]:
        head, _, name = line.partition(b"\t")
        mode, _kind, object_id, size = head.split()
        entry = TreeEntry(mode, name.decode("utf-8", "replace"), object_id.decode())
        found[entry] = int(size) if size.isdigit() else None
    return found
