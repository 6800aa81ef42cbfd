"""Arrays that are written run by run, one file a name, and read memory-mapped.

A run may hold another type than the one before it: each part of a file says its own. The index says
where every part is; a file is as long as its parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Part = list[Any] | None
"""Type, offset in bytes and length; None where a run has no such array."""
Index = dict[str, list[Part]]
_ALIGNED = 8


class ArrayWriter:
    """Writes the arrays of one run after another."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.index: Index = {}
        self._runs = 0
        self._files: dict[str, BinaryIO] = {}

    def write(self, arrays: Mapping[str, Array]) -> None:
        """The arrays of the next run."""
        for name, array in arrays.items():
            parts = self.index.setdefault(name, [])
            parts += [None] * (self._runs - len(parts))
            parts.append(self._append(name, np.ascontiguousarray(array)))
        self._runs += 1

    def _append(self, name: str, array: Array) -> Part:
        file = self._files.get(name)
        if file is None:
            path = _path(self.folder, list(self.index).index(name))
            file = self._files[name] = path.open("wb")
        offset = file.tell()
        file.write(array.data)
        file.write(bytes(-file.tell() % _ALIGNED))
        return [array.dtype.str, offset, len(array)]

    def close(self) -> None:
        """Everything is in the files."""
        for file in self._files.values():
            file.close()


class StoredArrays:
    """The arrays of a folder; a file is mapped when it is first asked for."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder = folder
        self.index = index
        self._places = {name: place for place, name in enumerate(index)}
        self._maps: dict[str, npt.NDArray[np.uint8]] = {}

    def get(self, name: str, run: int) -> Array | None:
        """One run's array; None where it has none."""
        parts = self.index.get(name, [])
        part = parts[run] if run < len(parts) else None
        if part is None:
            return None
        dtype, offset, length = np.dtype(part[0]), part[1], part[2]
        if not length:
            return np.empty(0, dtype)
        if name not in self._maps:
            path = _path(self.folder, self._places[name])
            self._maps[name] = np.memmap(path, np.uint8, "r").view(np.ndarray)
        raw = self._maps[name][offset : offset + length * dtype.itemsize]
        return cast("Array", raw.view(dtype))


def _path(folder: Path, place: int) -> Path:
    return folder / f"{place}.bin"
