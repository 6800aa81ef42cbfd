"""Verifies an exported Tidegate ledger. Python's standard library and this one file are enough.

    python offline_verifier.py EXPORT --key 'name+id+base64' [--head FILE]
    python offline_verifier.py --proof FILE --leaf FILE --key 'name+id+base64'

It shares no code with the program that wrote the ledger. Take the key and the heads from somewhere
else than the export. Every finding is one line; the exit code is 1 where there is one.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

Point = tuple[int, int, int, int]
Key = tuple[str, bytes, bytes]
Signed = tuple[int, bytes, str]

# --- Ed25519 by RFC 8032, 5.1 --------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)  # noqa: E741 - the root of -1, as everybody calls it


def _recover_x(y: int, sign: int) -> int | None:
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * I % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def _point(raw: bytes) -> Point | None:
    number = int.from_bytes(raw, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def _add(a: Point, b: Point) -> Point:
    one = (a[1] - a[0]) * (b[1] - b[0]) % P
    two = (a[1] + a[0]) * (b[1] + b[0]) % P
    three = 2 * a[3] * b[3] * D % P
    four = 2 * a[2] * b[2] % P
    e, f, g, h = two - one, four - three, four + three, two + one
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(factor: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = _add(result, point)
        point = _add(point, point)
        factor >>= 1
    return result


_BASE_Y = 4 * pow(5, P - 2, P) % P
_BASE_X = _recover_x(_BASE_Y, 0) or 0
BASE = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % P)


def ed25519_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is that of `message` by the key (32 bytes)."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, commitment = _point(public_key), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or s >= L:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    k = int.from_bytes(digest, "little") % L
    left, right = _times(s, BASE), _add(commitment, _times(k, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % P == 0


# --- signed notes (C2SP signed-note, tlog-checkpoint) ---------------------------------------------


class WrongError(Exception):
    """Something is not what it has to be."""


def _base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise WrongError("it is not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise WrongError("it is not base64 in its one form")
    return raw


def read_key(text: str) -> Key:
    """Name, id and public key of a verifier key."""
    name, key_id, encoded = [*text.strip().split("+", 2), "", ""][:3]
    raw = _base64(encoded)
    wanted = hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8]
    if not name or raw[:1] != b"\x01" or len(raw) != 33 or key_id != wanted:
        raise WrongError("the key is not `name+id+base64` of an Ed25519 key")
    return name, bytes.fromhex(key_id), raw[1:]


def read_checkpoint(note: str, key: Key) -> tuple[int, bytes]:
    """Size and root of a checkpoint that `key` signed."""
    text, found, signatures = note.rpartition("\n\n")
    if not found or not signatures.endswith("\n"):
        raise WrongError("it is not a signed note")
    text += "\n"
    valid = False
    for line in signatures[:-1].split("\n"):
        match = re.fullmatch("\N{EM DASH} ([^ ]+) ([^ ]+)", line)
        if match is None:
            raise WrongError("a line below it is no signature")
        raw = _base64(match[2])
        if match[1] == key[0] and raw[:4] == key[1]:
            if not ed25519_verifies(key[2], text.encode(), raw[4:]):
                raise WrongError("its signature is wrong")
            valid = True
    if not valid:
        raise WrongError("the key did not sign it")
    lines = text.split("\n")
    if len(lines) < 4 or lines[0] != key[0] or not re.fullmatch("0|[1-9][0-9]*", lines[1]):
        raise WrongError("it is not a checkpoint of this log")
    root = _base64(lines[2])
    if len(root) != 32:
        raise WrongError("its root is no hash")
    return int(lines[1]), root


# --- the tree (RFC 6962) --------------------------------------------------------------------------


def _hash(kind: bytes, data: bytes) -> bytes:
    return hashlib.sha256(kind + data).digest()


class Roots:
    """The root over the leaves so far: a stack of (height, hash)."""

    def __init__(self) -> None:
        self.stack: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        """Take in the next leaf's bytes."""
        height, value = 0, _hash(b"\x00", leaf)
        while self.stack and self.stack[-1][0] == height:
            value = _hash(b"\x01", self.stack.pop()[1] + value)
            height += 1
        self.stack.append((height, value))

    def root(self) -> bytes:
        """The root."""
        if not self.stack:
            return hashlib.sha256(b"").digest()
        value = self.stack[-1][1]
        for _, left in self.stack[-2::-1]:
            value = _hash(b"\x01", left + value)
        return value


def root_by_proof(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to, by RFC 6962's own recursion."""

    def climb(position: int, width: int, hashes: list[bytes]) -> bytes:
        if width == 1:
            if hashes:
                raise WrongError("the proof is too long")
            return _hash(b"\x00", leaf)
        if not hashes:
            raise WrongError("the proof is too short")
        split = 1 << (width - 1).bit_length() - 1
        if position < split:
            return _hash(b"\x01", climb(position, split, hashes[:-1]) + hashes[-1])
        return _hash(b"\x01", hashes[-1] + climb(position - split, width - split, hashes[:-1]))

    if not 0 <= index < size:
        raise WrongError("the leaf is not in the tree")
    return climb(index, size, proof)


# --- an export ------------------------------------------------------------------------------------


def _lines(path: Path, findings: list[str]) -> list[bytes]:
    """The lines of a file that ends with its last line."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        findings.append(f"{path.name} ends within a line: its tail was cut")
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return lines


def _canonical(line: bytes) -> Any:
    """The value of a line of JSON in its one form."""
    try:
        text = line.decode()
        value = json.loads(text)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        raise WrongError("it is not JSON") from None
    if again != text:
        raise WrongError("it is not JSON in its one form")
    return value


def _hex(text: str) -> bytes:
    raw = bytes.fromhex(text)
    if raw.hex() != text:
        raise WrongError("it is not hexadecimal in its one form")
    return raw


class Export:
    """The files of an export and what is wrong with them."""

    def __init__(self, folder: str | Path, key: Key, heads: list[str]) -> None:
        self.folder = Path(folder)
        self.key = key
        self.findings: list[str] = []
        self.leaves: dict[int, dict[str, Any]] = {}
        self.wrong: set[int] = set()
        self.size = self.end = 0
        self.covered = 0
        self.payloads = 0
        self.erased = 0
        self.heads = heads

    def verify(self) -> list[str]:
        """Look at everything; give what was found."""
        signed = self._signed()
        roots = self._read_leaves({size for size, _, _ in signed})
        self._order()
        self._check_named({size for size, _, _ in signed})
        self._compare(signed, roots)
        self._read_payloads()
        return self.findings

    def _say(self, text: str) -> None:
        self.findings.append(text)

    def _signed(self) -> list[Signed]:
        signed: list[Signed] = []
        before = -1
        for number, line in enumerate(
            _lines(self.folder / "checkpoints.jsonl", self.findings), start=1
        ):
            try:
                note = _canonical(line)
                if not isinstance(note, str):
                    raise WrongError("it is no note")
                size, root = read_checkpoint(note, self.key)
            except WrongError as error:
                self._say(f"checkpoint in line {number} is not valid: {error}")
                continue
            if size <= before:
                self._say(f"checkpoint in line {number} is out of order")
            before = size
            signed.append((size, root, f"the checkpoint over {size} leaves"))
        for note in self.heads:
            try:
                size, root = read_checkpoint(note, self.key)
            except WrongError as error:
                self._say(f"the head that was kept elsewhere is not valid: {error}")
                continue
            signed.append((size, root, f"the head that was kept elsewhere, over {size} leaves"))
        return sorted(signed, key=lambda one: one[0])

    def _read_leaves(self, sizes: set[int]) -> dict[int, bytes]:
        tree = Roots()
        roots = {0: tree.root()}
        lines = _lines(self.folder / "leaves.jsonl", self.findings)
        hashes = _lines(self.folder / "hashes.txt", self.findings)
        if len(hashes) != len(lines):
            self._say(f"there are {len(lines)} leaves and {len(hashes)} hashes of leaves")
        for place, line in enumerate(lines):
            kept = hashes[place] if place < len(hashes) else None
            same = kept is None or _hash(b"\x00", line).hex().encode() == kept
            if not same:
                self._say(f"leaf {place} was changed: it has not the hash that is kept of it")
                self.wrong.add(place)
            try:
                leaf = _canonical(line)
                if not isinstance(leaf, dict) or type(leaf.get("seq")) is not int:
                    raise WrongError("it has no number")
                self.leaves[place] = leaf
            except WrongError as error:
                if same:
                    self._say(f"leaf {place} was changed: {error}")
                self.wrong.add(place)
            tree.add(line)
            if place + 1 in sizes:
                roots[place + 1] = tree.root()
        self.size = len(lines)
        return roots

    def _order(self) -> None:
        """Every leaf says its number: name what is missing, doubled or exchanged."""
        shift = 0
        for place in sorted(self.leaves):
            number = self.leaves[place]["seq"]
            if number == place + shift or place in self.wrong:
                continue
            other = self.leaves.get(number - shift)
            if other is not None and other["seq"] - shift == place:
                if place + shift < number:
                    self._say(f"leaves {place + shift} and {number} stand in each other's place")
            elif number > place + shift:
                first, last = place + shift, number - 1
                self._say(
                    f"leaf {first} is missing"
                    if first == last
                    else f"leaves {first} to {last} are missing"
                )
                shift = number - place
            else:
                self._say(f"leaf {number} stands again after leaf {place + shift - 1}")
                shift = number - place
            self.wrong.add(place)
        self.end = self.size + shift

    def _check_named(self, sizes: set[int]) -> None:
        """Every leaf says which checkpoint was the newest before it."""
        for place, leaf in self.leaves.items():
            size = leaf.get("checkpoint")
            if size and size not in sizes:
                self._say(
                    f"leaf {place} was recorded after a checkpoint over {size} leaves, "
                    "which is missing"
                )
                break

    def _compare(self, signed: list[Signed], roots: dict[int, bytes]) -> None:
        good = 0
        for size, root, what in signed:
            if size > self.end:
                self._say(
                    f"the tail was cut, or the whole was rolled back: there are {self.end} leaves, "
                    f"but {what} was signed"
                )
            elif size <= self.size and roots[size] == root:
                good = size
            else:
                if not self.wrong:
                    last = size - 1
                    which = (
                        f"leaf {good}" if good == last else f"one of the leaves {good} to {last}"
                    )
                    self._say(f"{which} was changed together with its hash: {what} is of others")
                break
        self.covered = good

    def _read_payloads(self) -> None:
        seen: set[int] = set()
        before = -1
        retained = [
            str(leaf["facts"].get("before", ""))
            for leaf in self.leaves.values()
            if leaf.get("kind") == "erased" and leaf.get("facts", {}).get("cause") == "retention"
        ]
        by_number = {leaf["seq"]: leaf for leaf in self.leaves.values()}
        for line in _lines(self.folder / "payloads.jsonl", self.findings):
            try:
                payload = _canonical(line)
                number = payload["seq"]
                key, nonce = _hex(payload["key"]), _hex(payload["nonce"])
                lookup = b"" if payload["lookup"] is None else _hex(payload["lookup"])
                ciphertext = _hex(payload["ciphertext"])
                if type(number) is not int or len(payload) != 5:
                    raise WrongError("it has not the members of a payload")
            except (WrongError, KeyError, TypeError, ValueError) as error:
                self._say(f"the payload after that of leaf {before} was changed: {error}")
                continue
            if number <= before:
                self._say(f"the payload of leaf {number} is out of order")
            before = number
            head = bytes((len(key), len(lookup), len(nonce)))
            sealed = hashlib.sha256(head + key + lookup + nonce + ciphertext).hexdigest()
            said = by_number.get(number, {}).get("payload") or {}
            if said.get("sealed") != sealed:
                self._say(f"the payload of leaf {number} was changed")
            seen.add(number)
            self.payloads += 1
        for number, leaf in by_number.items():
            if leaf.get("payload") and number not in seen:
                if any(str(leaf.get("at", ""))[:7] < month for month in retained):
                    self.erased += 1
                else:
                    self._say(f"the payload of leaf {number} is missing and no leaf says so")


def verify_proof(proof: str, leaf: bytes, key: Key) -> tuple[int, int]:
    """Index and size of a `.tlog-proof` that leads from `leaf` to a checkpoint by `key`."""
    head, _, note = proof.partition("\n\n")
    lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    match = re.fullmatch("index (0|[1-9][0-9]*)", lines[1]) if len(lines) > 1 else None
    if lines[0] != "c2sp.org/tlog-proof@v1" or match is None:
        raise WrongError("it is not a proof")
    size, root = read_checkpoint(note, key)
    if root_by_proof(leaf, int(match[1]), size, [_base64(line) for line in lines[2:]]) != root:
        raise WrongError("the proof does not lead to the root")
    return int(match[1]), size


def main(arguments: list[str] | None = None) -> int:
    """Verify what the arguments name; the exit code."""
    parser = argparse.ArgumentParser(description="Verify an exported Tidegate ledger.")
    parser.add_argument("export", nargs="?", help="the folder that `tidegate audit export` wrote")
    parser.add_argument("--key", required=True, help="the verifier key: name+id+base64")
    parser.add_argument("--head", action="append", default=[], help="a head kept elsewhere")
    parser.add_argument("--proof", help="a .tlog-proof of one leaf")
    parser.add_argument("--leaf", help="that leaf's bytes")
    asked = parser.parse_args(arguments)
    try:
        key = read_key(asked.key)
        if asked.proof is not None:
            leaf = Path(asked.leaf or "").read_bytes().removesuffix(b"\n")
            index, size = verify_proof(Path(asked.proof).read_text(encoding="utf-8"), leaf, key)
            print(f"sound: this is leaf {index} of {size}")
            return 0
        if asked.export is None:
            parser.error("name the EXPORT, or --proof and --leaf")
        heads = [Path(head).read_text(encoding="utf-8") for head in asked.head]
        export = Export(asked.export, key, heads)
        export.verify()
    except (WrongError, OSError, UnicodeDecodeError) as error:
        print(f"not verified: {error}")
        return 1
    for finding in export.findings:
        print(finding)
    print(
        f"{'NOT SOUND' if export.findings else 'sound'}: {export.size} leaves, {export.covered} "
        f"under a signed head, {export.payloads} payloads, {export.erased} taken by retention"
    )
    return 1 if export.findings else 0


if __name__ == "__main__":
    sys.exit(main())
