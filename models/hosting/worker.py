"""The other side: reads a model, then answers questions until the channel ends.

It is started by `process.py` in a process of its own, alone with a socket. The first line it gets
says what to load; then come the model's bytes; then questions (`answers.py`). A scorer is made by
`package.module:function`, imported behind walls, called with those bytes behind more of them, and
has `score(values)` that returns something with the parts of `models.scored.Scored`.

From the import on this process is the scorer's: what is said here then is believed of no wall.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
from collections.abc import Callable
from typing import Any

from tidegate.models.hosting.system_calls import filter_of
from tidegate.models.hosting.walls import (
    die_with_parent,
    holding,
    leave_network,
    limit,
    withdraw,
)

MAX_TROUBLE = 300
MAX_DESCRIPTORS = 256
_PIECE = 1 << 16


class _Channel:
    """The socket to the host, read line by line. Its end ends this process."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._received = bytearray()

    def line(self) -> bytes:
        """The next line, without its end."""
        start = 0
        while (end := self._received.find(b"\n", start)) < 0:
            start = len(self._received)
            self._receive()
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def bytes(self, number: int) -> bytes:
        """So many bytes."""
        while len(self._received) < number:
            self._receive()
        found = bytes(self._received[:number])
        del self._received[:number]
        return found

    def say(self, what: dict[str, object]) -> None:
        """One line back."""
        rest = json.dumps(what, separators=(",", ":")).encode() + b"\n"
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def _receive(self) -> None:
        piece = os.read(self.descriptor, _PIECE)
        if not piece:
            os._exit(0)
        self._received += piece


def main() -> None:
    """Say what holds, load, answer."""
    channel = _Channel(_only_channel())
    order = json.loads(channel.line())
    leave_network()
    die_with_parent(order["parent"])
    limit(order["memory_bytes"])
    seal, close_others = filter_of(), os.closerange
    withdraw(order["readable"])
    channel.say({"walls": list(holding(order["memory_bytes"]))})
    try:
        module, _, function = order["scorer"].partition(":")
        factory = getattr(importlib.import_module(module), function)
        close_others(channel.descriptor + 1, MAX_DESCRIPTORS)
        seal()
        channel.say({"imported": True})
        score = factory(channel.bytes(order["content_bytes"])).score
    except Exception as error:  # noqa: BLE001 - whatever it is, an operator wants to know
        channel.say({"trouble": f"{type(error).__name__}: {error}"[:MAX_TROUBLE]})
        return
    gc.freeze()
    channel.say({"loaded": True})
    _answer(channel, score)


def _only_channel() -> int:
    """Standard input is the channel; a scorer that reads from there would take its questions."""
    channel = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    return channel


def _answer(channel: _Channel, score: Callable[[list[Any]], Any]) -> None:
    while True:
        asked = json.loads(channel.line())
        # Who hangs is ended by the system, asked again or not: the alarm's default is to kill.
        signal.setitimer(signal.ITIMER_REAL, asked["alarm_s"])
        answer = _said(score, asked["values"])
        signal.setitimer(signal.ITIMER_REAL, 0)
        channel.say({"n": asked["n"], **answer})


def _said(score: Callable[[list[Any]], Any], values: list[Any]) -> dict[str, object]:
    try:
        scored = score(values)
        if scored.status != "ok":
            return {"status": "abstained", "reason": scored.reason}
        return {
            "status": "ok",
            "score": scored.score,
            "total": scored.total,
            "contributions": scored.contributions,
        }
    except Exception:  # noqa: BLE001 - whatever a scorer raises, its process goes on
        return {"status": "failed"}
