"""What was guessed for the same runs, range, branches and pull requests before: nothing else enters a guess."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ledger.frozen import frozen
from ledger.git import patches
from ledger.model import Level
from ledger.store import cachefile
from ledger.trace.attachment import Attachment, CodeKey
from ledger.trace.reached import Reached

_FORMAT = 1


@frozen()
class Guesses:
    """The guesses about some keys, as they are kept: one file, that of the last question."""

    path: Path
    question: str
    """A hash of all that was asked about."""
    keys: Sequence[CodeKey]

    @classmethod
    def of(cls, reached: Reached, refs: Sequence[str], keys: Sequence[CodeKey]) -> Guesses:
        """What is kept for these keys, a range, and the refs that stand outside it."""
        told = hashlib.sha256()
        available = patches.available(reached.repository)
        for part in ([str(_FORMAT), str(available)], reached.tips, refs, map(_key, keys)):
            told.update("\n".join(part).encode("utf-8", "replace") + b"\0")
        path = reached.repository.folder / "cache" / "guesses.json"
        return cls(path=path, question=told.hexdigest(), keys=keys)

    def load(self) -> dict[CodeKey, Attachment] | None:
        """None where the question is another one."""
        body = cachefile.read(self.path, self.question)
        with suppress(ValueError, TypeError, LookupError, RecursionError):
            if body is not None:
                pairs = zip(self.keys, json.loads(body), strict=True)
                return {key: Attachment(one[0], Level(one[1]), one[2]) for key, one in pairs if one}
        return None

    def keep(self, found: Mapping[CodeKey, Attachment]) -> None:
        """In place of the answer to the question before."""
        said = [[one.commit, one.level, one.of] if (one := found.get(key)) else None for key in self.keys]
        cachefile.keep(self.path, self.question, json.dumps(said, separators=(",", ":")).encode())


def _key(key: CodeKey) -> str:
    parts: Iterable[str | None] = (key.commit, key.tree, key.snapshot_tree, key.base, key.patch)
    return f"{key.dirty} {' '.join(part or '-' for part in parts)}"
