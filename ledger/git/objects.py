"""Git objects: built and named here as values, written and read by git.

The ids are computed here so that a whole batch is known before anything is written; the bytes then go to git
in one pack, and git checks, stores and fsyncs them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from functools import lru_cache
from typing import IO, TYPE_CHECKING, cast

from ledger.errors import FormatError, GitError
from ledger.frozen import frozen
from ledger.git import housekeeping
from ledger.git.pack import Deflated, joined, pack
from ledger.git.process import Process, Repository, lines, widen
from ledger.model import Author

if TYPE_CHECKING:
    import io

REGULAR = b"100644"
_SMALLEST_PIPE = 16 << 10
_LOOSE_LIMIT = 100
"""Objects above this stay a pack; git's own transfer.unpackLimit draws the line at the same number."""
_LARGE = 256 << 10
_HASHES = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}
_PARQUET = b"PAR1"


@frozen(kw_only=False)
class GitObject:
    id: str
    kind: str
    body: bytes
    deflated: Deflated | None = field(default=None, compare=False, repr=False)
    """As a pack stores it, where that is made already."""


@frozen(kw_only=False)
class TreeEntry:
    mode: bytes
    name: str
    id: str


def make(kind: str, body: bytes, object_format: str) -> GitObject:
    digest = _HASHES[object_format](b"%s %d\0" % (kind.encode(), len(body)), usedforsecurity=False)
    digest.update(body)
    return GitObject(digest.hexdigest(), kind, body)


def flat_tree(entries: Mapping[str, str], object_format: str) -> GitObject:
    """A tree of regular files: name → blob id."""
    body = b"".join(
        REGULAR + b" " + name + b"\0" + bytes.fromhex(blob_id)
        for name, blob_id in sorted((name.encode(), blob_id) for name, blob_id in entries.items())
    )
    return make("tree", body, object_format)


def commit(
    *, tree: str, parents: Sequence[str], author: Author, seconds: int, message: str, object_format: str
) -> GitObject:
    """A commit whose author and committer are one; `seconds` since 1970, shown in UTC."""
    who = f"{_ident(author.name) or 'ledger'} <{_ident(author.email)}> {max(seconds, 0)} +0000"
    heads = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
    text = "\n".join(heads) + "\n\n" + message.replace("\0", "")
    return make("commit", text.encode(), object_format)


@lru_cache(maxsize=256)
def _ident(text: str) -> str:
    """Without the characters that would end the field, and without the crud that git strips at its ends."""
    return "".join(c for c in text if c not in "<>\n\r\0").strip(" .,:;\"'\\")


def write(repository: Repository, objects: Sequence[GitObject], *, keep: tuple[int, ...] = ()) -> None:
    """Have git store and fsync objects: loose when few, else as a pack. Objects already there are refreshed."""
    if not objects:
        return
    with held(repository, objects, keep=keep):
        pass


@contextmanager
def held(
    repository: Repository,
    objects: Sequence[GitObject],
    packs: Collection[bytes] = (),
    *,
    keep: tuple[int, ...] = (),
) -> Iterator[None]:
    """Store objects so that housekeeping takes none of them; refs are set in the block.

    Loose objects are safe unless a `git gc` is at work: it may not have seen the refs yet. Then everything, and
    `packs`, whose objects should be there already, is stored in packs that it does not know and must not take.
    """
    few = len(objects) <= _LOOSE_LIMIT and not housekeeping.is_running(repository)
    if few:
        _loosen(repository, objects, keep=keep)
    crowded = not few or housekeeping.is_running(repository)
    with housekeeping.marked(repository, _distinct(repository, objects, packs, only_if=crowded), keep=keep):
        yield
    late = not crowded and housekeeping.is_running(repository)
    with housekeeping.marked(repository, _distinct(repository, objects, packs, only_if=late), keep=keep):
        pass


def restore(repository: Repository, packs: Collection[bytes], *, keep: tuple[int, ...] = ()) -> None:
    """Store again what packs hold; what is there already stays."""
    if not packs:
        return
    running = housekeeping.is_running(repository)
    with housekeeping.marked(repository, _distinct(repository, (), packs, only_if=running), keep=keep):
        if not running:
            unpack(repository, joined(list(packs), repository.object_format), keep=keep)


def _distinct(
    repository: Repository, objects: Sequence[GitObject], packs: Collection[bytes], *, only_if: bool
) -> list[bytes]:
    """One pack of everything, and a random blob.

    git names a pack by its content, and a running `git repack` takes every unmarked pack whose name it has seen.
    """
    if not only_if or not (objects or packs):
        return []
    object_format = repository.object_format
    nonce = make("blob", os.urandom(16), object_format)
    own = pack([*objects, nonce], object_format, 1, deltas=True)
    return [joined([own, *packs], object_format) if packs else own]


def _loosen(repository: Repository, objects: Sequence[GitObject], *, keep: tuple[int, ...]) -> None:
    """Have git store objects one by one: compressed, but for large files that are compressed in themselves.

    To deflate those again saves 3 %, and costs 17 ms a MiB to write and 1 ms to read.
    """
    for dense, options in ((True, ("-c", "core.looseCompression=0")), (False, ())):
        some = [one for one in objects if _is_dense(one) is dense]
        if some:
            stdin = pack(some, repository.object_format, 0)
            housekeeping.stubborn(repository, *options, "unpack-objects", "-q", stdin=stdin, keep=keep)


def _is_dense(one: GitObject) -> bool:
    return len(one.body) >= _LARGE and one.body.startswith(_PARQUET)


def unpack(repository: Repository, data: bytes, *, keep: tuple[int, ...] = ()) -> None:
    """Store the objects of a pack, made here or elsewhere, one by one; those that are there are refreshed."""
    housekeeping.stubborn(repository, "unpack-objects", "-q", stdin=data, keep=keep)


def pack_fault(repository: Repository, data: bytes) -> str:
    """What git finds wrong with a pack from elsewhere and with its objects; nothing of it is stored."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ledger-pack-") as folder:
        path = os.path.join(folder, "x.pack")
        with open(path, "wb") as file:
            file.write(data)
        words = ("index-pack", "--fsck-objects", "-o", os.path.join(folder, "x.idx"), path)
        done = repository.outcome(*words)
    return "" if done.code == 0 else next(iter(done.stderr.strip().splitlines()), "git refuses it")


def missing(repository: Repository, ids: Iterable[str], *, keep: tuple[int, ...] = ()) -> list[str]:
    """Those of `ids` that the repository does not hold."""
    names = "".join(f"{name}\n" for name in ids).encode()
    answers = lines(repository.git("cat-file", "--batch-check=", "--buffer", stdin=names, keep=keep))
    return [line.split(" ")[0] for line in answers if line.endswith(" missing")]


def read(repository: Repository, names: Sequence[str]) -> list[GitObject | None]:
    """Objects by name (ids, or `<rev>:<path>`), in order; None where one is missing. For tens, not for millions."""
    if not names:
        return []
    asked = "".join(f"{name}\n" for name in names).encode()
    output = repository.git("cat-file", "--batch", "--buffer", stdin=asked)
    found: list[GitObject | None] = []
    position = 0
    for _ in names:
        end = output.index(b"\n", position)
        head = output[position:end].decode("utf-8", "replace").split(" ")
        position = end + 1
        if len(head) != 3 or not head[2].isdigit():  # noqa: PLR2004 - `<id> <kind> <size>`, else missing or ambiguous
            found.append(None)
            continue
        size = int(head[2])
        found.append(GitObject(head[0], head[1], output[position : position + size]))
        position += size + 1
    return found


def parse_tree(body: bytes, object_format: str) -> list[TreeEntry]:
    """Entries of a raw tree object. Raises FormatError for bytes that are no tree."""
    width = 20 if object_format == "sha1" else 32
    entries = []
    position = 0
    while position < len(body):
        end = body.find(b"\0", position)
        mode, space, name = body[position:end].partition(b" ")
        if end < 0 or not space or end + 1 + width > len(body):
            raise FormatError("a tree object that can't be read")
        entries.append(
            TreeEntry(mode, name.decode("utf-8", "replace"), body[end + 1 : end + 1 + width].hex())
        )
        position = end + 1 + width
    return entries


class Reader:
    """Reads very many objects through one long-lived `cat-file`; an object above a limit is passed over unread.

    git works on the next questions while the answers to the last are used. Whoever asks may be as many bytes of
    questions ahead as a pipe surely holds (`room`): git takes no more while its own answers wait to be read.
    """

    _AT_ONCE = 1 << 20

    def __init__(self, process: Process, max_bytes: int, *, room: int) -> None:
        self._stdin, self._stdout = process.stdin, cast("io.BufferedReader", process.stdout)
        self._max_bytes = max_bytes
        self._room = room
        self._read = b""
        self._at = 0

    def read(self, names: Sequence[str]) -> list[GitObject | None]:
        """In order; None where an object is missing or larger than the limit."""
        if not names:
            return []
        parts = list(self._parts(names))
        found: list[GitObject | None] = []
        self.ask(parts[0])
        for part, following in zip(parts, [*parts[1:], ()], strict=True):
            if following:
                self.ask(following)
            found.extend(self._answer() for _ in part)
        return found

    def sizes(self, names: Sequence[str]) -> list[int | None]:
        """Sizes in bytes, in order; None where an object is missing. Nothing else may be waiting for its answer."""
        found: list[int | None] = []
        for part in self._parts(names):
            self._stdin.write("".join([*(f"info {name}\n" for name in part), "flush\n"]).encode())
            self._stdin.flush()
            heads = [self._line().split(b" ") for _ in part]
            found += [int(head[2]) if len(head) == 3 and head[2].isdigit() else None for head in heads]  # noqa: PLR2004
        return found

    def _parts(self, names: Sequence[str]) -> Iterator[list[str]]:
        part: list[str] = []
        size = 0
        for name in names:
            length = len(_question(name).encode())
            if part and size + length > self._room // 2:
                yield part
                part, size = [], 0
            part.append(name)
            size += length
        if part:
            yield part

    def ahead(self, width: int) -> int:
        """How many ids of a width may be asked for before the first of them is answered."""
        return max(self._room // len(_question("0" * width)), 1)

    def ask(self, names: Sequence[str]) -> None:
        """Have git begin with more objects; `bodies` gives what they hold, in the same order."""
        self._stdin.write("".join([*map(_question, names), "flush\n"]).encode())
        self._stdin.flush()

    def bodies(self, count: int, kind: str) -> list[bytes | None]:
        """The oldest answers that are due; None where an object is missing, too large or of another kind."""
        found: list[bytes | None] = []
        wanted, limit = kind.encode(), self._max_bytes
        data, at = self._read, self._at
        for _ in range(count):  # as `_answer`, without a value for each object: there are millions
            end = data.find(b"\n", at)
            head = data[at:end].split(b" ")
            if end >= 0 and len(head) == 3 and head[1] == wanted and head[2].isdigit():  # noqa: PLR2004 - see there
                start = end + 1
                following = start + int(head[2]) + 1
                if following <= len(data) and following - start <= limit:
                    found.append(data[start : following - 1])
                    at = following
                    continue
            self._at = at
            answer = self._answer()
            found.append(answer.body if answer is not None and answer.kind == kind else None)
            data, at = self._read, self._at
        self._at = at
        return found

    def _line(self) -> bytes:
        end = self._read.find(b"\n", self._at)
        while end < 0:
            self._more()
            end = self._read.find(b"\n", self._at)
        line = self._read[self._at : end]
        self._at = end + 1
        return line

    def _answer(self) -> GitObject | None:
        head = self._line().split(b" ")
        if len(head) != 3 or not head[2].isdigit():  # noqa: PLR2004 - `<id> <kind> <size>`, else missing
            return None
        size = int(head[2])
        if size > self._max_bytes:
            self._pass(size + 1)
            return None
        return GitObject(head[0].decode(), head[1].decode(), self._take(size + 1)[:-1])

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._read):
            start, self._at = self._at, end
            return self._read[start:end]
        body = self._read[self._at :] + self._stdout.read(end - len(self._read))
        self._read, self._at = b"", 0
        if len(body) < size:
            raise GitError(("cat-file",), 0, "it ended in the middle of an object")
        return body

    def _pass(self, size: int) -> None:
        while size > 0:
            step = min(size, 1 << 20)
            self._take(step)
            size -= step

    def _more(self) -> None:
        read = self._stdout.read1(self._AT_ONCE)
        if not read:
            raise GitError(("cat-file",), 0, "it ended before its last answer")
        self._read, self._at = self._read[self._at :] + read, 0


@contextmanager
def reader(repository: Repository, *, max_bytes: int, brief: bool = False) -> Iterator[Reader]:
    """A reader, and a git to talk to while the block lasts. It raises GitError where that git ends early.

    `brief` is for hundreds of objects, not for millions.
    """
    talk = repository.brief_conversation if brief else repository.conversation
    with talk("cat-file", "--batch-command", "--buffer") as process:
        widen(process.stdout, 1 << 20)
        widen(process.stdin, 1 << 18)
        yield Reader(process, max_bytes, room=_capacity(process.stdin) * 7 // 8)


def _question(name: str) -> str:
    return f"contents {name}\n"


def _capacity(stream: IO[bytes]) -> int:
    """Bytes that a pipe holds; less than 64 KiB for a user with very many pipes."""
    get_size = getattr(fcntl, "F_GETPIPE_SZ", None)
    return fcntl.fcntl(stream.fileno(), get_size) if get_size is not None else _SMALLEST_PIPE


def sizes(repository: Repository, names: Sequence[str]) -> list[int | None]:
    """Sizes in bytes, in order; None where an object is missing."""
    asked = "".join(f"{name}\n" for name in names).encode()
    output = repository.git("cat-file", "--batch-check=%(objectsize)", "--buffer", stdin=asked)
    return [int(line) if line.isdigit() else None for line in lines(output)]


def kinds(repository: Repository, ids: Sequence[str]) -> list[str]:
    """Types of objects, in order; `missing` of those that are not here."""
    asked = "".join(f"{oid}\n" for oid in ids).encode()
    output = repository.git("cat-file", "--batch-check=%(objecttype)", "--buffer", stdin=asked)
    return [line.rpartition(" ")[2] for line in lines(output)]
