"""Search for a hostile model file that harms: `python -m tests.fuzz_models [--scale S] [--seed N]`.

Every file is read in a process with little memory and under an alarm. It is refused with
`ModelRefused` and sentences of bounded length, or it is accepted; then it is written back to the
same bytes and scores rows, one by one and in columns, to the same integers.

Mutants are made of valid files: in the document, in the structure of trees, in the bytes. Bombs are
made by hand: large, deep, long, of other formats.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from random import Random
from types import FrameType
from typing import Any

from tests.models_generated import columns_of, generated_model, generated_rows
from tidegate.models.columns import ColumnScorer
from tidegate.models.portable import PortableModel
from tidegate.models.reading import read_model, write_model
from tidegate.models.refusals import MAX_PROBLEMS, ModelRefused
from tidegate.models.scoring import compile_scorer

CASES = 20_000
CASES_A_TASK = 250
ROWS = 12
MEMORY_BYTES = 2 * 2**30
CPU_SECONDS = 30.0
LONGEST_SENTENCE = 400
PROCESSES = 2

Document = dict[str, Any]
HOSTILE: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**30, 10**4000,
    0.0, -0.0, 0.5, 1e308, -1e308, 5e-324, "", "x", "x" * 5_000, "\ud800", "\x00", "e\u0301", "true",
    [], {}, [[]], [None], [-1], [0, 0], {"a": 1}, [[[[[[[[]]]]]]]], "__proto__", "DROP TABLE", 10**9,
)  # fmt: skip


class TooLongError(Exception):
    """A case took more time than any file may."""


@dataclass
class Found:
    """What a part of the search met."""

    cases: int = 0
    refused: int = 0
    accepted: int = 0
    events: int = 0
    answered: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    memory_bytes: int = 0
    by_mutation: Counter[str] = field(default_factory=Counter)
    accepted_by: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Count another part in."""
        for name in ("cases", "refused", "accepted", "events", "answered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.slowest_s > self.slowest_s:
            self.slowest_s, self.slowest = other.slowest_s, other.slowest
        self.memory_bytes = max(self.memory_bytes, other.memory_bytes)
        self.by_mutation += other.by_mutation
        self.accepted_by += other.accepted_by
        self.failures += other.failures


# --- mutants ------------------------------------------------------------------------------------


def canonical(document: Any) -> bytes:
    """As `write_model` writes, of anything."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with a key or index in it."""
    found, waiting = [], [value]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else list(range(len(one)))
        for key in keys:
            found.append((one, key))
            if isinstance(one[key], dict | list) and one[key]:
                waiting.append(one[key])
    return found


def replace_any(rng: Random, document: Document) -> bytes:
    """A value anywhere becomes a hostile one."""
    holder, key = rng.choice(_places(document))
    holder[key] = rng.choice(HOSTILE)
    return canonical(document)


def nudge_integer(rng: Random, document: Document) -> bytes:
    """A whole number anywhere moves a little, or far."""
    places = [(h, k) for h, k in _places(document) if type(h[k]) is int]
    holder, key = rng.choice(places)
    holder[key] += rng.choice((-2, -1, 1, 2, 2**32, -(2**32), 2**62))
    return canonical(document)


def change_list(rng: Random, document: Document) -> bytes:
    """A list loses, doubles or exchanges entries."""
    lists = [h[k] for h, k in _places(document) if isinstance(h[k], list) and h[k]]
    one = rng.choice(lists)
    index = rng.randrange(len(one))
    way = rng.randrange(4)
    if way == 0:
        del one[index]
    elif way == 1:
        one.insert(index, one[index])
    elif way == 2:
        one[index], one[-1] = one[-1], one[index]
    else:
        one.extend(one * rng.choice((1, 100)))
    return canonical(document)


def change_keys(rng: Random, document: Document) -> bytes:
    """An object loses a key, or gets one more."""
    objects = [document] + [h[k] for h, k in _places(document) if isinstance(h[k], dict)]
    one = rng.choice([o for o in objects if o])
    if rng.random() < 0.5:
        del one[rng.choice(list(one))]
    else:
        one[rng.choice(("extra", "", "Name", "code", "\ud800"))] = rng.choice(HOSTILE)
    return canonical(document)


def break_tree(rng: Random, document: Document) -> bytes:
    """A tree gets a cycle, a shared child, a child outside, a wrong split or a foreign code."""
    if not document["trees"]:
        return nudge_integer(rng, document)
    tree = rng.choice(document["trees"])
    node = rng.randrange(len(tree["yes"]))
    side = rng.choice(("yes", "no"))
    way = rng.randrange(6)
    if way == 0:
        tree[side][node] = rng.randint(-2, node)
    elif way == 1:
        tree[side][node] = rng.randrange(len(tree["yes"]) + 2)
    elif way == 2:
        tree["inputs"][node] = rng.randint(-3, len(document["inputs"]) + 1)
    elif way == 3:
        tree["words"][node] = [rng.randint(-2, 9) for _ in range(rng.randint(0, 3))]
    elif way == 4:
        tree["values"][node] = rng.choice((2**62, -(2**62), 2**63 - 1, -1))
    else:
        tree["yes"], tree["no"] = tree["no"], tree["yes"]
    return canonical(document)


def respell(rng: Random, document: Document) -> bytes:
    """The same document in other words: blanks, order, escapes, other spellings of numbers."""
    way = rng.randrange(4)
    if way == 0:
        return json.dumps(document, indent=1).encode()
    if way == 1:
        return json.dumps(dict(reversed(document.items())), separators=(",", ":")).encode()
    text = canonical(document)
    old, new = rng.choice(
        ((b":0,", b":-0,"), (b'"m"', b'"\\u006d"'), (b"1", b"1e0"), (b"1", b"1.0"))
    )
    return text.replace(old, new, 1)


def repeat_key(rng: Random, document: Document) -> bytes:
    """A key stands twice, with two values."""
    text = canonical(document)
    at = rng.choice([i for i, byte in enumerate(text) if byte == ord("{")])
    return text[: at + 1] + b'"name":"other",' + text[at + 1 :]


def constants(rng: Random, document: Document) -> bytes:
    """A number that JSON has not."""
    holder, key = rng.choice(_places(document))
    holder[key] = rng.choice((float("nan"), float("inf"), float("-inf")))
    return canonical(document)


def flip_bits(rng: Random, document: Document) -> bytes:
    """A few bits fall over."""
    content = bytearray(canonical(document))
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def cut_bytes(rng: Random, document: Document) -> bytes:
    """The file ends early, begins late, or lacks its middle."""
    content = canonical(document)
    left, right = sorted((rng.randrange(len(content)), rng.randrange(len(content))))
    return rng.choice((content[:left], content[left:], content[:left] + content[right:]))


def add_bytes(rng: Random, document: Document) -> bytes:
    """Foreign bytes stand in the file."""
    content = canonical(document)
    at = rng.randrange(len(content) + 1)
    junk = rng.choice((b"\x00", b"\xff\xfe", b"[", b"}", b'"', b" ", b"\xc3", b"9" * 30, b"//x\n"))
    return content[:at] + junk + content[at:]


def two_mistakes(rng: Random, document: Document) -> bytes:
    """Two hostile values at once."""
    for _ in range(2):
        holder, key = rng.choice(_places(document))
        holder[key] = rng.choice(HOSTILE)
    return canonical(document)


def unchanged(rng: Random, document: Document) -> bytes:  # noqa: ARG001 - called like the others
    """Nothing: a search that refuses everything would find nothing."""
    return canonical(document)


MUTATIONS: tuple[Callable[[Random, Document], bytes], ...] = (
    replace_any, nudge_integer, nudge_integer, change_list, change_keys, break_tree, break_tree, respell,
    repeat_key, constants, flip_bits, cut_bytes, add_bytes, two_mistakes, unchanged,
)  # fmt: skip


# --- bombs --------------------------------------------------------------------------------------


class _Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return sys.exit, ("the pickle ran",)


def _stick(nodes: int) -> Document:
    """A tree that is one long path: each split has a leaf on its `yes` side."""
    inner = nodes // 2
    return {
        "inputs": [0, -1] * inner + [-1],
        "cuts": [5, 0] * inner + [0],
        "yes": [n for i in range(inner) for n in (2 * i + 1, 0)] + [0],
        "no": [n for i in range(inner) for n in (2 * i + 2, 0)] + [0],
        "missing_yes": [False] * (2 * inner + 1),
        "words": [None] * (2 * inner + 1),
        "values": [0] * (2 * inner + 1),
    }


def _model_of(**parts: Any) -> Document:
    entry: Document = {
        "name": "x", "kind": "count", "currency": "", "categories": [], "low": None, "high": None,
        "takes_missing": True, "takes_unknown": False,
    }  # fmt: skip
    whole = {
        "format": "tidegate-model", "schema": 1, "name": "m", "version": 1, "link": "logit",
        "family": "gradient_boosting", "unit": 1000, "divisor": 1, "base": 0, "inputs": [entry],
        "terms": [], "trees": [],
    }  # fmt: skip
    return whole | parts


def _inputs(count: int, **parts: Any) -> list[Document]:
    entry = _model_of()["inputs"][0]
    return [entry | {"name": f"x{index}"} | parts for index in range(count)]


LEAF: dict[str, list[Any]] = {
    "inputs": [-1], "cuts": [0], "yes": [0], "no": [0], "missing_yes": [False], "words": [None], "values": [0],
}  # fmt: skip
LINE = {"kind": "linear", "input": 0, "weight": 0.5, "centre": 0.0, "missing": 0}


BOMBS: dict[str, Callable[[], bytes]] = {
    "nested lists": lambda: b"[" * 10_000_000,
    "nested objects": lambda: b'{"a":' * 400_000 + b"1" + b"}" * 400_000,
    "nested in a model": lambda: canonical(_model_of()).replace(b'"trees":[]', b'"trees":' + b"[" * 90_000 + b"]" * 90_000),
    "empty lists": lambda: b"[" + b"[]," * 400_000 + b"[]]",
    "masses of lists": lambda: b"[" + b"[]," * 20_000_000 + b"[]]",
    "masses of texts": lambda: b"[" + b'"ab",' * 12_000_000 + b"1]",
    "masses of floats": lambda: b"[" + b"1.5," * 15_000_000 + b"1]",
    "as many floats as are read": lambda: b"[" + b"1.5," * 7_900_000 + b"1]",
    "as many numbers in a model": lambda: canonical(_model_of(trees="T")).replace(
        b'"T"', b"[{" + b'"values":[' + b"999999," * 7_900_000 + b"1]}]"
    ),
    "larger than any": lambda: b" " * (65 * 2**20),
    "one long text": lambda: b'"' + b"x" * (60 * 2**20) + b'"',
    "a long name": lambda: canonical(_model_of(name="x" * 30_000_000)),
    "a number without end": lambda: b"9" * 5_000_000,
    "a number without end in a model": lambda: canonical(_model_of()).replace(b'"base":0', b'"base":' + b"9" * 5_000_000),
    "a far exponent": lambda: canonical(_model_of()).replace(b'"base":0', b'"base":1e999999999'),
    "many digits": lambda: canonical(_model_of()).replace(b'"base":0', b'"base":' + b"9" * 4_000),
    "10**9 nodes by their claim": lambda: canonical(_model_of(nodes=10**9, trees=[LEAF])),
    "10**9 trees by their divisor": lambda: canonical(_model_of(family="random_forest", link="probability", divisor=10**9, trees=[LEAF])),
    "a walk of 200,000 steps": lambda: canonical(_model_of(trees=[_stick(400_001)])),
    "a walk of 256 steps": lambda: canonical(_model_of(trees=[_stick(513)])),
    "a walk of 257 steps": lambda: canonical(_model_of(trees=[_stick(515)])),
    "a million nodes of one input": lambda: canonical(_model_of(trees=[_stick(501)] * 1_990)),
    "a million leaves of many inputs": lambda: canonical(_model_of(inputs=_inputs(512), trees=[LEAF | {k: v * 100_000 for k, v in LEAF.items()}])),
    "all lanes that are read": lambda: canonical(_model_of(inputs=_inputs(512), trees=[_stick(501)] * 155)),
    "many trees": lambda: canonical(_model_of(trees=[LEAF] * 4_000)),
    "too many trees": lambda: canonical(_model_of(trees=[LEAF] * 4_001)),
    "many lines": lambda: canonical(_model_of(family="additive", terms=[LINE | {"weight": 0.001}] * 4_096)),
    "lines on all inputs": lambda: canonical(_model_of(family="additive", inputs=_inputs(512), terms=[LINE | {"input": i} for i in range(512)])),
    "too many inputs": lambda: canonical(_model_of(inputs=_inputs(30_000))),
    "a weight beyond all": lambda: canonical(_model_of(family="additive", terms=[LINE | {"weight": 1e308}])),
    "a table of tables": lambda: canonical(_model_of(family="additive", inputs=_inputs(2), terms=[{"kind": "table", "axes": [{"input": 0, "cuts": list(range(100_000))}, {"input": 1, "cuts": list(range(100_000))}], "values": [0]}])),
    "one key a million times": lambda: b"{" + b'"a":1,' * 900_000 + b'"a":1}',
    "a million keys": lambda: b"{" + b",".join(b'"%d":1' % n for n in range(900_000)) + b"}",
    "a million foreign keys": lambda: canonical(_model_of() | {f"k{n}": 1 for n in range(400_000)}),
    "a pickle that runs": lambda: pickle.dumps(_Harm()),
    "an old pickle that runs": lambda: pickle.dumps(_Harm(), protocol=0),
    "a zip": lambda: b"PK\x03\x04" + bytes(100),
    "gzip": lambda: b"\x1f\x8b\x08" + bytes(100),
    "HDF5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(100),
    "ONNX": lambda: b"\x08\x08\x12\x07skl2onnx" + bytes(100),
    "an array": lambda: b"\x93NUMPY\x01\x00" + bytes(100),
    "nothing": lambda: b"",
    "zeros": lambda: bytes(10_000_000),
    "UTF-16": lambda: json.dumps(_model_of()).encode("utf-16"),
    "a byte order mark": lambda: b"\xef\xbb\xbf" + canonical(_model_of(trees=[LEAF])),
}  # fmt: skip
ACCEPTED_BOMBS = frozenset(
    {
        "a walk of 256 steps", "all lanes that are read", "many trees", "many lines", "lines on all inputs",
    }
)  # fmt: skip


# --- judging ------------------------------------------------------------------------------------


def judge(content: bytes, rng: Random, found: Found) -> bool:
    """Whether a file is accepted; what is wrong with the answer goes to `found.failures`."""
    try:
        model = read_model(content)
    except ModelRefused as refused:
        found.refused += 1
        if not 0 < len(refused.problems) <= MAX_PROBLEMS + 1:
            found.failures.append(f"{len(refused.problems)} sentences")
        found.failures += [s[:80] for s in refused.problems if len(s) > LONGEST_SENTENCE]
        return False
    found.accepted += 1
    if write_model(model) != content:
        found.failures.append("the file is written back otherwise")
    _score(model, rng, found)
    return True


def _score(model: PortableModel, rng: Random, found: Found) -> None:
    rows = generated_rows(rng, model, ROWS)
    scorer = compile_scorer(model)
    one_by_one = [scorer.score(row) for row in rows]
    columns = ColumnScorer(model).score(columns_of(model, rows), contributions=True)
    assert columns.contributions is not None
    for index, scored in enumerate(one_by_one):
        found.events += 1
        said = (
            bool(columns.answered[index]),
            int(columns.scores[index]),
            int(columns.totals[index]),
            tuple(columns.contributions[index].tolist()),
        )
        if scored.status == "abstained":
            if said[0]:
                found.failures.append(f"columns answer where the model abstains: {scored.reason}")
            continue
        found.answered += 1
        if said != (True, scored.score, scored.total, scored.contributions):
            found.failures.append(f"columns differ: {said} and {scored}")
        if scored.total != model.base + sum(scored.contributions):
            found.failures.append(f"contributions do not add up: {scored}")
        if not 0 <= (scored.score or 0) <= 10**6:
            found.failures.append(f"no score: {scored.score}")


def run_case(name: str, content: bytes, rng: Random, found: Found) -> None:
    """Judge one file under an alarm; `name` finds it again."""
    before = len(found.failures)
    began = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        if judge(content, rng, found):
            found.accepted_by[name.partition(" ")[0]] += 1
    except Exception as error:  # noqa: BLE001 - whatever comes up is what is looked for
        found.failures.append(f"{type(error).__name__}: {str(error)[:200]}")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    found.cases += 1
    took_s = time.process_time() - began
    if took_s > found.slowest_s:
        found.slowest_s, found.slowest = took_s, name
    found.failures[before:] = [f"FAILED {name}: {text}" for text in found.failures[before:]]


def run_mutants(task: tuple[int, int, int]) -> Found:
    """The cases `begin` to `end` of a seed."""
    seed, begin, end = task
    found = Found()
    for index in range(begin, end):
        name = f"{seed}:{index}"
        rng = Random(name)
        mutation = rng.choice(MUTATIONS)
        document = json.loads(write_model(generated_model(rng)))
        content = mutation(rng, document)
        found.by_mutation[mutation.__name__] += 1
        run_case(f"{mutation.__name__} {name}", content, rng, found)
    return _measured(found)


def run_bomb(name: str) -> Found:
    """One bomb, by its name."""
    found = Found()
    run_case(f"bomb {name}", BOMBS[name](), Random(name), found)
    if found.accepted != (name in ACCEPTED_BOMBS):
        found.failures.append(f"FAILED bomb {name}: {'accepted' if found.accepted else 'refused'}")
    return _measured(found)


def _measured(found: Found) -> Found:
    found.memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return found


def _ring(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signals call it
    raise TooLongError(f"more than {CPU_SECONDS:g} s")


def limit_process() -> None:
    """Give a process little memory, and an alarm for each case."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGVTALRM, _ring)


def search(
    cases: int, seed: int, processes: int, bombs: Sequence[str] = tuple(BOMBS)
) -> Iterator[Found]:
    """Parts of the search as they end; a bomb is one, in a process of its own."""
    tasks = [
        (seed, begin, min(begin + CASES_A_TASK, cases)) for begin in range(0, cases, CASES_A_TASK)
    ]
    fresh = get_context("spawn")
    with ProcessPoolExecutor(processes, fresh, limit_process) as pool:
        yield from pool.map(run_mutants, tasks)
    with ProcessPoolExecutor(processes, fresh, limit_process, max_tasks_per_child=1) as pool:
        yield from pool.map(run_bomb, bombs)


def summary(found: Found) -> list[str]:
    """The figures for people."""
    lines = [
        f"{found.cases} files: {found.refused} refused, {found.accepted} accepted",
        f"{found.events} events scored both ways, {found.answered} answered",
        f"slowest file {found.slowest_s:.2f} s of CPU ({found.slowest}), at most {found.memory_bytes / 2**20:.0f} MiB",
    ]
    lines += [
        f"  {name:16}{count:8} of which accepted {found.accepted_by[name]:8}"
        for name, count in sorted(found.by_mutation.items())
    ]
    return [*lines, f"{len(found.failures)} failures"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--case", help="one mutant again, as a failure names it: SEED:INDEX")
    chosen = parser.parse_args(arguments)
    found = Found()
    if chosen.case:
        limit_process()
        seed, index = map(int, chosen.case.split(":"))
        found.add(run_mutants((seed, index, index + 1)))
    else:
        for part in search(int(CASES * chosen.scale), chosen.seed, chosen.processes):
            found.add(part)
    print("\n".join([*summary(found), *found.failures[:10]]))
    return bool(found.failures)


if __name__ == "__main__":
    sys.exit(main())
