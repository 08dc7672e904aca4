"""Zip files without compression (APPNOTE.TXT 6.3), written and read in one pass over bytes in memory.

`zipfile` reads and writes the same files, at five times the cost: a fleet leaves a hundred thousand entries. What does not
fit the plain format (65,535 entries, 4 GiB) is left to it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s2B5H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _UNIX = 20, 3
_DAY = 33
"""1980-01-01."""
_MODE = 0o600 << 16
_UTF8, _ENCRYPTED = 0x800, 1
_MOST_FILES, _MOST_BYTES = 0xFFFF, 0xFFFF_FFFF


def written(files: Mapping[str, bytes]) -> bytes:
    """A zip of the files, in order."""
    if len(files) >= _MOST_FILES or sum(map(len, files.values())) > _MOST_BYTES // 2:
        return _large(files)
    parts: list[bytes] = []
    central: list[bytes] = []
    at = 0
    for name, data in files.items():
        raw, size, crc = name.encode(), len(data), zlib.crc32(data)
        flags = 0 if raw.isascii() else _UTF8
        head = _LOCAL.pack(b"PK\3\4", _VERSION, flags, 0, 0, _DAY, crc, size, size, len(raw), 0)
        parts += (head, raw, data)
        fields = (flags, 0, 0, _DAY, crc, size, size, len(raw), 0, 0, 0, 0, _MODE, at)
        central += (_CENTRAL.pack(b"PK\1\2", _VERSION, _UNIX, _VERSION, *fields), raw)
        at += len(head) + len(raw) + size
    listing = b"".join(central)
    count = len(files)
    return b"".join((*parts, listing, _END.pack(b"PK\5\6", 0, 0, count, count, len(listing), at, 0)))


def read(data: bytes) -> dict[str, bytes]:
    """The files of a zip, checksums compared; they take no more room than the zip. Raises ValueError, BadZipFile.

    Compressed or encrypted entries, which ledger never writes, are refused: damage can look like them.
    """
    if len(data) < _END.size:
        raise ValueError("too short for a zip file")
    sign, _, _, _, count, size, start, comment = _END.unpack_from(data, len(data) - _END.size)
    if sign != b"PK\5\6" or comment or start + size + _END.size != len(data) or count == _MOST_FILES:
        return _with_zipfile(data)
    found: dict[str, bytes] = {}
    at, end, total = start, start + size, 0
    for _ in range(count):
        fields = _CENTRAL.unpack_from(data, at)
        (flags, method), (crc, packed, plain) = fields[4:6], fields[8:11]
        if fields[0] != b"PK\1\2" or at + _CENTRAL.size > end:
            raise ValueError("its list of files is damaged")
        _require_plain(method, flags, packed, plain)
        total += plain
        name = data[at + _CENTRAL.size : at + _CENTRAL.size + fields[11]].decode()
        at += _CENTRAL.size + sum(fields[11:14])
        body = _body(data, fields[-1], plain, start)
        if zlib.crc32(body) != crc:
            raise ValueError(f"{name} does not have its checksum")
        if total > len(data):
            raise ValueError("files that lie on top of one another")
        found[name] = body
    if at != end:
        raise ValueError("its list of files is damaged")
    return found


def _require_plain(method: int, flags: int, packed: int, plain: int) -> None:
    if method or flags & _ENCRYPTED or packed != plain:
        raise ValueError("compressed or encrypted, which ledger never writes")


def _body(data: bytes, at: int, size: int, end: int) -> bytes:
    fields = _LOCAL.unpack_from(data, at)
    begin = at + _LOCAL.size + fields[9] + fields[10]
    if fields[0] != b"PK\3\4" or begin + size > end:
        raise ValueError("a file that is not where the list says")
    return data[begin : begin + size]


def _with_zipfile(data: bytes) -> dict[str, bytes]:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for item in archive.infolist():
            _require_plain(item.compress_type, item.flag_bits, item.compress_size, item.file_size)
        if sum(item.file_size for item in archive.infolist()) > len(data):
            raise ValueError("files that lie on top of one another")
        return {name: archive.read(name) for name in archive.namelist()}


def _large(files: Mapping[str, bytes]) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()
