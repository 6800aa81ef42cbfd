"""SQLite over a layer that knows what was synced: lost power, failing writes and syncs.

`Layer` registers a VFS with the SQLite library that Python has loaded, by ctypes. Every file call
goes to the real VFS, and the layer keeps a second picture of each file: what is certain to be there
after the power failed. A write counts as kept when its file was synced after it, a new or deleted
name when it was made. After `cut`, each write that was not synced is kept, lost or torn by a throw
of the dice, whatever came after it: disks reorder.

Covered: data of database and write-ahead log, truncation, order of unsynced writes, torn pages,
write and sync errors at the k-th call. Not covered: the shared-memory file (SQLite rebuilds it),
names whose folder was not synced, disks that lie about a sync, the file system's own bugs.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

OK, FULL, IOERR = 0, 13, 10
IOERR_WRITE, IOERR_FSYNC = IOERR | 3 << 8, IOERR | 4 << 8
_SECTOR = 512


def loaded_library() -> ctypes.CDLL | None:
    """The SQLite library in this process, None where Python has it built in."""
    import sqlite3

    assert sqlite3.sqlite_version
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        path = line.rpartition(" ")[2]
        if "libsqlite3.so" in path:
            return ctypes.CDLL(path)
    return None


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 2."""


class _File(ctypes.Structure):
    _fields_: ClassVar[Any] = [("methods", ctypes.POINTER(_Methods))]


_P = ctypes.POINTER(_File)
_CALLS: dict[str, Any] = {
    "close": ctypes.CFUNCTYPE(ctypes.c_int, _P),
    "read": ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64),
    "write": ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64),
    "truncate": ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_int64),
    "sync": ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_int),
}
_REST = [
    "size",
    "lock",
    "unlock",
    "reserved",
    "control",
    "sector",
    "characteristics",
    "shm_map",
    "shm_lock",
    "shm_barrier",
    "shm_unmap",
]
_Methods._fields_ = [
    ("version", ctypes.c_int),
    *_CALLS.items(),
    *((name, ctypes.c_void_p) for name in _REST),
]
_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,  # not a text: the real VFS keeps the pointer
    _P,
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_int),
)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""


_Vfs._fields_ = [
    ("version", ctypes.c_int),
    ("file_bytes", ctypes.c_int),
    ("max_name", ctypes.c_int),
    ("next", ctypes.c_void_p),
    ("name", ctypes.c_char_p),
    ("data", ctypes.c_void_p),
    ("open", _OPEN),
    ("delete", _DELETE),
    *((f"rest{number}", ctypes.c_void_p) for number in range(14)),
]


@dataclass(slots=True)
class Picture:
    """One file: what is certain, and what was done since its last sync."""

    kept: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: cut there

    def sync(self) -> None:
        """All of it is certain now."""
        for offset, content in self.since:
            _apply(self.kept, offset, content)
        self.since.clear()

    def after_power_loss(self, dice: random.Random) -> bytes:
        """What is on the disk: each unsynced change kept, lost or torn."""
        found = bytearray(self.kept)
        for offset, content in self.since:
            if dice.random() < 0.5:
                continue
            if content is not None and dice.random() < 0.5:
                sectors = -(-len(content) // _SECTOR)
                for sector in range(sectors):
                    if dice.random() < 0.5:
                        part = content[sector * _SECTOR : (sector + 1) * _SECTOR]
                        _apply(found, offset + sector * _SECTOR, part)
            else:
                _apply(found, offset, content)
        return bytes(found)


def _apply(file: bytearray, offset: int, content: bytes | None) -> None:
    if content is None:
        del file[offset:]
        return
    if len(file) < offset:
        file.extend(bytes(offset - len(file)))
    file[offset : offset + len(content)] = content


class Layer:
    """A VFS below all connections that are opened while it is registered.

    fail: given the kind of each call (`write`, `sync`, `truncate`) and its number, the code to fail
    it with, or 0.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        library.sqlite3_vfs_register.argtypes = [ctypes.POINTER(_Vfs), ctypes.c_int]
        library.sqlite3_vfs_unregister.argtypes = [ctypes.POINTER(_Vfs)]
        self._real = library.sqlite3_vfs_find(None)
        self.fail: Callable[[str, int], int] = lambda _kind, _number: OK
        self.calls = 0
        self.dead = False
        self.files: dict[str, Picture] = {}
        self._names: dict[int, str] = {}
        self._methods: dict[int, tuple[_Methods, _Methods]] = {}
        self._vfs = _Vfs()
        ctypes.memmove(ctypes.byref(self._vfs), self._real, ctypes.sizeof(_Vfs))
        self._vfs.name = b"tidegate-power"
        self._vfs.open = _OPEN(self._open)
        self._vfs.delete = _DELETE(self._delete)

    def __enter__(self) -> Layer:
        assert self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) == OK
        return self

    def __exit__(self, *_: object) -> None:
        self._library.sqlite3_vfs_register(self._real, 1)
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))

    def cut(self, target: Path, dice: random.Random) -> None:
        """Write into the folder `target` what the files are after a loss of power now."""
        for name, picture in self.files.items():
            if not name.endswith("-shm"):
                (target / Path(name).name).write_bytes(picture.after_power_loss(dice))

    # --- what SQLite calls

    def _open(self, _vfs: int, name: int | None, file: Any, flags: int, out: Any) -> int:
        code: int = self._real.contents.open(self._address(), name, file, flags, out)
        if code != OK or name is None or not file.contents.methods:
            return code
        path = ctypes.string_at(name).decode()
        if path not in self.files:
            self.files[path] = Picture(bytearray(Path(path).read_bytes()))
        real = file.contents.methods.contents
        methods = _Methods()
        ctypes.memmove(ctypes.byref(methods), ctypes.byref(real), ctypes.sizeof(_Methods))
        methods.version = min(real.version, 2)
        methods.write = _CALLS["write"](self._write)
        methods.truncate = _CALLS["truncate"](self._truncate)
        methods.sync = _CALLS["sync"](self._sync)
        address = ctypes.addressof(file.contents)
        self._names[address] = path
        self._methods[address] = (real, methods)
        file.contents.methods = ctypes.pointer(methods)
        return code

    def _delete(self, _vfs: int, name: bytes, sync: int) -> int:
        code: int = self._real.contents.delete(self._address(), name, sync)
        if code == OK and not self.dead:
            self.files.pop(name.decode(), None)
        return code

    def _write(self, file: Any, buffer: int, length: int, offset: int) -> int:
        picture, real, code = self._call("write", file)
        if code == OK:
            code = real.write(file, buffer, length, offset)
        if code == OK and picture is not None:
            picture.since.append((offset, ctypes.string_at(buffer, length)))
        return code

    def _truncate(self, file: Any, size: int) -> int:
        picture, real, code = self._call("truncate", file)
        if code == OK:
            code = real.truncate(file, size)
        if code == OK and picture is not None:
            picture.since.append((size, None))
        return code

    def _sync(self, file: Any, flags: int) -> int:
        picture, real, code = self._call("sync", file)
        if code == OK:
            code = real.sync(file, flags)
        if code == OK and picture is not None:
            picture.sync()
        return code

    def _call(self, kind: str, file: Any) -> tuple[Picture | None, Any, int]:
        address = ctypes.addressof(file.contents)
        self.calls += 1
        code = self.fail(kind, self.calls - 1)
        picture = None if self.dead else self.files.get(self._names[address])
        return picture, self._methods[address][0], code

    def _address(self) -> int:
        return ctypes.addressof(self._real.contents)
