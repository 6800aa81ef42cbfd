"""Which files a process may read at all (Landlock, Linux 5.13): some folders, and nothing else.

It binds root as well, cannot be taken off, and keeps out of the memory of other processes.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE_RULES, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on all machines."""
_VERSION, _BENEATH = 1, 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""By the first version that has them, how many rights over files there are."""


def read_only(paths: Iterable[str]) -> bool:
    """Read below these paths alone, write nowhere; False where the kernel has no such rule.

    A path that is not there is left out. It takes `renounce` before, or root.
    """
    syscall = ctypes.CDLL(None).syscall
    version = syscall(_CREATE_RULES, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    handled = (1 << max(n for first, n in _RIGHTS.items() if first <= version)) - 1
    rules = syscall(_CREATE_RULES, struct.pack("=Q", handled), ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    try:
        for path in paths:
            _allow(syscall, rules, path)
        return bool(syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(syscall: ctypes._NamedFuncPointer, rules: int, path: str) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(beneath).st_mode)
        rights = _READ_FILE | _READ_FOLDER if is_folder else _READ_FILE
        syscall(_ADD_RULE, rules, _BENEATH, struct.pack("=Qi", rights, beneath), 0)
    finally:
        os.close(beneath)
