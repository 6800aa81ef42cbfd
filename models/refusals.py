"""Why a model's file is refused: all mistakes at once, other formats by name and first bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

MAX_FILE_BYTES = 64 * 2**20
MAX_PROBLEMS = 20
"""So many mistakes are told one by one; the rest is counted."""

EXPORT = "`tidegate models export`"
WAY_OUT = f"export the fitted model offline with {EXPORT} and load the JSON that it writes"

_PICKLE = "a pickle, which runs code as it is read"
_ARCHIVE = "an archive, as skops, Keras and PyTorch write them, which builds objects as it is read"
_COMPRESSED = "a compressed file, mostly a joblib pickle, which runs code as it is read"
_HDF5 = "an HDF5 file, which may hold code of the library that wrote it"
_ONNX = "an ONNX file, whose 32-bit arithmetic moves scores and which may point to other files"
_ARRAY = "a NumPy array, which may hold a pickle"
_WEIGHTS = "a file of weights, which says nothing of a model's inputs"
_LIBRARY = "a learning library's own file, whose meaning changes with the library's version"

_SUFFIXES = {
    ".pkl": _PICKLE, ".pickle": _PICKLE, ".p": _PICKLE, ".joblib": _PICKLE, ".dill": _PICKLE,
    ".cloudpickle": _PICKLE, ".pt": _PICKLE, ".pth": _PICKLE, ".ckpt": _PICKLE, ".mar": _ARCHIVE,
    ".skops": _ARCHIVE, ".zip": _ARCHIVE, ".keras": _ARCHIVE, ".npz": _ARCHIVE, ".tar": _ARCHIVE,
    ".gz": _COMPRESSED, ".bz2": _COMPRESSED, ".xz": _COMPRESSED, ".lz4": _COMPRESSED,
    ".z": _COMPRESSED, ".h5": _HDF5, ".hdf5": _HDF5, ".onnx": _ONNX, ".ort": _ONNX, ".pb": _ONNX,
    ".npy": _ARRAY, ".bin": _WEIGHTS, ".safetensors": _WEIGHTS, ".gguf": _WEIGHTS,
    ".cbm": _LIBRARY, ".ubj": _LIBRARY, ".model": _LIBRARY, ".pmml": _LIBRARY, ".mojo": _LIBRARY,
}  # fmt: skip

_FIRST_BYTES = (
    (re.compile(rb"\x80[\x00-\x05]"), _PICKLE),
    (re.compile(rb"c[\w.]+\r?\n[\w.]+\r?\n|\([dlcit(]|\(lp\d|\(dp\d"), _PICKLE),
    (re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"), _ARCHIVE),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|\x04\x22\x4d\x18|\x28\xb5\x2f\xfd|ZF|x[\x01\x5e\x9c\xda]"),
     _COMPRESSED),
    (re.compile(rb"\x89HDF"), _HDF5),
    (re.compile(rb"\x93NUMPY"), _ARRAY),
    (re.compile(rb"\x08[\x01-\x0f][\x12\x1a\x22\x2a\x32\x3a\x42]"), _ONNX),
    (re.compile(rb"GGUF"), _WEIGHTS),
)  # fmt: skip


class ModelRefused(ValueError):  # noqa: N818 - the word of the field, as in EventRefused
    """A file is no model that may be used; `problems` says why, one sentence each.

    Each sentence names the place in the JSON and a way out.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Problems:
    """The mistakes of one file, as they are found."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: str, says: str) -> None:
        """Note what is wrong at `path`: `is below 1: …`."""
        if len(self._found) < MAX_PROBLEMS:
            self._found.append(f"`{path}` {says}" if path else says)
        else:
            self._more += 1

    def refuse(self) -> None:
        """Raise `ModelRefused` where there is any mistake."""
        if self._found:
            more = (f"and {self._more} more mistakes: mend these first",) if self._more else ()
            raise ModelRefused((*self._found, *more))


def refuse_file_name(path: str | os.PathLike[str]) -> None:
    """Refuse a format that is never loaded by the end of its file's name."""
    name = os.fspath(path).lower().replace("\\", "/").rpartition("/")[2]
    for suffix, why in _SUFFIXES.items():
        if name.endswith(suffix):
            raise ModelRefused([f"the name ends in `{suffix}`: {why}; {WAY_OUT}"])


def refuse_content(content: bytes) -> None:
    """Refuse a format that is never loaded by its first bytes, and a file that is too large."""
    if len(content) > MAX_FILE_BYTES:
        mebibytes = MAX_FILE_BYTES >> 20
        raise ModelRefused([f"the file is larger than {mebibytes} MiB: train a smaller model"])
    if not content:
        raise ModelRefused([f"the file is empty: {WAY_OUT}"])
    for first, why in _FIRST_BYTES:
        if first.match(content):
            raise ModelRefused([f"the file is {why}; {WAY_OUT}"])
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise ModelRefused([f"the file begins with a byte order mark: {WAY_OUT}"])
