"""Filters of system calls (seccomp) for a process that runs what is not ours.

Two, one after the other, and no call takes a filter off again, not for root either. `IMPORTING`
allows to read files and to look at paths, which an import takes, and `ALLOWED` after it no more
than memory, the answer's channel, clocks and the end. Neither has `socket`, `clone`, `execve`,
`kill`, `ptrace`, a file to write, `unlink` or `rename`. A call that is not listed, or whose
arguments are not, fails with EPERM. x86-64 and arm64; on other machines there is none.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

NO_NUMBER = -1
"""The machine has no such call."""

ALLOWED: dict[str, tuple[int, int]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "setitimer": (38, 103),
    "getpid": (39, 172),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "restart_syscall": (219, 128),
    "getrandom": (318, 278),
}
"""By name, the number on x86-64 and on arm64 (the kernel's syscall tables)."""


@dataclass(frozen=True, slots=True)
class _Only:
    """An argument of a call (0 to 5) of which only these values, or only these bits, pass."""

    argument: int
    values: tuple[int, ...] = ()
    bits: int = 0


_READING = (
    os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    | getattr(os, "O_LARGEFILE", 0)
)  # fmt: skip
"""O_TRUNC, O_CREAT and O_TMPFILE write although they are opened for reading: they are not here."""

IMPORTING: dict[str, tuple[int, int]] = {
    "open": (2, NO_NUMBER),
    "openat": (257, 56),
    "stat": (4, NO_NUMBER),
    "fstat": (5, 80),
    "lstat": (6, NO_NUMBER),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "getdents64": (217, 61),
    "access": (21, NO_NUMBER),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, NO_NUMBER),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    "fcntl": (72, 25),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getrusage": (98, 165),
    "sched_getaffinity": (204, 123),
    "prlimit64": (302, 261),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "seccomp": (317, 277),
}
"""What an import takes besides `ALLOWED`."""

_CONDITIONS = {
    "open": (_Only(1, bits=_READING),),
    "openat": (_Only(2, bits=_READING),),
    # F_GETFD, F_SETFD, F_GETFL: others send signals and lock.
    "fcntl": (_Only(1, (1, 2, 3)),),
    # Limits may be read; the new one is a pointer, and there must be none.
    "prlimit64": (_Only(2, (0,)),),
    # A further filter, for all threads: it can take away alone.
    "seccomp": (_Only(0, (1,)), _Only(1, (1,))),
}

_MACHINES = {"x86_64": (0xC000003E, 317, 0), "aarch64": (0xC00000B7, 277, 1)}
"""Per machine: its audit constant, the number of `seccomp`, its column of `ALLOWED`."""

_NO_NEW_PRIVILEGES = 38
_MODE_FILTER, _ALL_THREADS = 1, 1
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _FAIL_EPERM = 0x7FFF0000, 0x00050001
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16


def renounce() -> bool:
    """Never get a privilege again, by no program; without root a filter takes that."""
    return bool(ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0)


def forbid(importing: bool = False) -> bool:
    """Forbid this process every call that is not listed; False where that could not be done."""
    return renounce() and filter_of(importing)()


def filter_of(importing: bool = False) -> Callable[[], bool]:
    """What loads the filter and says whether that succeeded; it imports and looks up nothing."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        return lambda: False
    audit, seccomp, column = _MACHINES[machine]
    calls = {**ALLOWED, **IMPORTING} if importing else ALLOWED
    lines = _filter(audit, {name: numbers[column] for name, numbers in calls.items()})
    code = ctypes.create_string_buffer(lines, len(lines))
    program = ctypes.create_string_buffer(
        struct.pack("@HP", len(lines) // 8, ctypes.addressof(code))
    )
    call = ctypes.CDLL(None).syscall
    arguments = (
        ctypes.c_long(seccomp), ctypes.c_ulong(_MODE_FILTER), ctypes.c_ulong(_ALL_THREADS), program,
    )  # fmt: skip

    def load() -> bool:
        held = code  # the program points to it
        return bool(call(*arguments) == 0 and held)

    return load


def _filter(audit: int, calls: dict[str, int]) -> bytes:
    """Classic BPF: another machine's calls fail (x86-64 has a 32-bit door), listed ones pass."""
    lines = [
        _line(_LOAD, 0, 0, _MACHINE_AT),
        _line(_JUMP_IF_EQUAL, 1, 0, audit),
        _line(_RETURN, 0, 0, _FAIL_EPERM),
        _line(_LOAD, 0, 0, _NUMBER_AT),
    ]
    for name, number in calls.items():
        if number == NO_NUMBER:
            continue
        block = [line for only in _CONDITIONS.get(name, ()) for line in _condition(only)]
        block.append(_line(_RETURN, 0, 0, _ALLOW))
        lines += [_line(_JUMP_IF_EQUAL, 0, len(block), number), *block]
    return b"".join([*lines, _line(_RETURN, 0, 0, _FAIL_EPERM)])


def _condition(only: _Only) -> list[bytes]:
    """Fails where the argument is another one. Both its halves count, as in a pointer."""
    low = _ARGUMENTS_AT + 8 * only.argument
    fail = _line(_RETURN, 0, 0, _FAIL_EPERM)
    lines = [_line(_LOAD, 0, 0, low + 4), _line(_JUMP_IF_EQUAL, 1, 0, 0), fail]
    lines.append(_line(_LOAD, 0, 0, low))
    if only.values:
        left = len(only.values)
        for value in only.values:
            lines.append(_line(_JUMP_IF_EQUAL, left, 0, value))
            left -= 1
    else:
        lines.append(_line(_JUMP_IF_BITS, 0, 1, ~only.bits & 0xFFFFFFFF))
    return [*lines, fail]


def _line(code: int, yes: int, no: int, operand: int) -> bytes:
    return struct.pack("<HBBI", code, yes, no, operand)
