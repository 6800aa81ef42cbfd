"""The generated code says what the interpreter says, whatever the program and the event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest

from tests.engine import nodes, random_programs
from tests.engine.random_programs import (
    NOW_US,
    random_clamp,
    random_lists,
    random_program,
    random_situation,
)
from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import (
    Actions,
    Ask,
    Disposition,
    EventType,
    Expression,
    Input,
    LetRef,
    Program,
    Rule,
)
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import COUNT, DURATION, MONEY, NUMBER, TEXT, TIME, Bounds, Value
from tidegate.engine import branches, formulas, generated, interpreter, lowering
from tidegate.engine.authority import settle
from tidegate.engine.generated import CompiledEvent, compile_event
from tidegate.engine.situation import Evaluation, Situation, Standing

DECLINE = Actions(asks=(Ask("disposition", Disposition.DECLINE, "because_0"),))


def agree(compiled: CompiledEvent, situation: Situation, clamped: frozenset[str]) -> Evaluation:
    """Compare one evaluation and give it back."""
    expected = interpreter.evaluate(compiled.program, situation, clamped)
    assert compiled.evaluate(situation, clamped) == expected
    return expected


def rule(number: int, when: Expression, then: Actions = DECLINE) -> Rule:
    """A rule that is skipped where it is unknown."""
    unknown = Actions() if when.can_be_missing else None
    return Rule(f"r{number:05}", 1, "payment", when, then, NOWHERE, unknown=unknown)


def program_of(conditions: Iterable[Expression], inputs: tuple[Input, ...]) -> Program:
    """A program with a rule for each condition over these inputs."""
    base = random_program(Random(0), rules=1, models=0)
    rules = tuple(rule(number, when) for number, when in enumerate(conditions))
    event = replace(base.events[0], rules=rules, inputs=inputs, lets=())
    return replace(base, events=(event,))


def compiled_of(
    conditions: Iterable[Expression], inputs: tuple[Input, ...], lets: tuple[LetRef, ...] = ()
) -> CompiledEvent:
    """The same, compiled."""
    program = program_of(conditions, inputs)
    event = replace(program.events[0], lets=lets)
    return compile_event(replace(program, events=(event,)), event, {})


def situation_of(event: EventType, *values: Value | None) -> Situation:
    """A situation without lists and models."""
    return Situation(event, values, {})


@pytest.mark.parametrize("block", range(12))
def test_random_programs_agree_with_the_interpreter(block: int) -> None:
    """An operator, a mask or a missing value that the compiler gets wrong shows here."""
    for seed in range(block * 12, block * 12 + 12):
        rng = Random(seed)
        program = random_program(rng)
        event, lists = program.events[0], random_lists(rng, program)
        compiled = compile_event(program, event, lists)
        for _ in range(6):
            situation = random_situation(rng, program, event, lists)
            agree(compiled, situation, frozenset())
            agree(compiled, situation, random_clamp(rng, event))


LIMITS: dict[str, dict[str, int]] = {
    "all is stated": {"MAX_LENGTH": 0, "LEAF_SIZE": 1, "LONELY_LEAF_SIZE": 1},
    "all is shared": {"LEAF_SIZE": 1, "LONELY_LEAF_SIZE": 1, "SHARED_COST": 1},
    "no branches": {"MAX_DEPTH": 0, "MAX_SPLITS": 0},
    "many branches": {"MANY_THRESHOLDS": 2, "MAX_ELIF": 2, "SPLIT_GAIN": 3, "MAX_SPLITS": 6},
}


@pytest.mark.parametrize("name", LIMITS)
def test_no_choice_of_the_compiler_changes_a_result(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written where is a matter of speed; small programs never reach some of the limits."""
    for limit, value in LIMITS[name].items():
        monkeypatch.setattr(lowering if hasattr(lowering, limit) else branches, limit, value)
    for seed in range(300, 330):
        rng = Random(seed)
        program = random_program(rng, rules=16)
        event, lists = program.events[0], random_lists(rng, program)
        compiled = compile_event(program, event, lists)
        for _ in range(4):
            situation = random_situation(rng, program, event, lists)
            agree(compiled, situation, random_clamp(rng, event))


@pytest.mark.parametrize("seed", range(100, 112))
def test_rules_stand_as_they_are_told_to(seed: int) -> None:
    """A simulation that makes shadow rules live would otherwise get the old standing."""
    rng = Random(seed)
    program = random_program(rng, rules=12)
    event, lists = program.events[0], random_lists(rng, program)
    compiled = compile_event(program, event, lists)
    everyone = (1 << len(event.rules)) - 1
    for _ in range(10):
        live = rng.getrandbits(len(event.rules))
        stand = Standing(live, rng.getrandbits(len(event.rules)) & everyone & ~live)
        situation = random_situation(rng, program, event, lists)
        clamped = random_clamp(rng, event)
        expected = interpreter.evaluate_as(program, situation, clamped, stand)
        assert compiled.evaluate_as(situation, clamped, stand) == expected


@pytest.mark.parametrize("seed", range(200, 230))
def test_the_hot_path_decides_what_the_authority_decides(seed: int) -> None:
    """A remembered decision must not be served where the event or a model's answer differs."""
    rng = Random(seed)
    program = random_program(rng, models=seed % 3)
    event, lists = program.events[0], random_lists(rng, program)
    compiled = compile_event(program, event, lists)
    for _ in range(12):
        situation = random_situation(rng, program, event, random_lists(rng, program))
        situation = replace(situation, lists={**situation.lists, **_from_files(program, lists)})
        expected = settle(program, situation)
        for _ in range(2):
            decided = compiled.decide_values(situation.values, situation.lists, situation.statuses)
            assert decided == expected
        assert compiled.decide(situation) == expected


def _from_files(program: Program, lists: object) -> dict[str, ListContent | None]:
    assert isinstance(lists, dict)
    return {d.name: lists[d.name] for d in program.lists if d.path}


def test_managed_lists_are_read_at_each_event() -> None:
    """A card that is trusted from now on has to be trusted at the next payment."""
    token = nodes.field_input("note", TEXT)
    compiled = compiled_of([nodes.in_list(token, "watched_texts", managed=True)], (token,))
    event = compiled.event
    for content, fired, unknown in ((("a",), 1, 0), (("b",), 0, 0), (None, 0, 1)):
        held = None if content is None else ListContent(frozenset(content))
        found = compiled.evaluate(Situation(event, ("a",), {"watched_texts": held}))
        assert (found.fired, found.unknown) == (fired, unknown)


HOSTILE = (
    "'; raise SystemExit #",
    '"""',
    "\\",
    "\n return 1\n",
    "__import__('os').system('false')",
    "{0}",
    "%s",
    "\x00",
    "\ud800",
    "k0",
    "v0",
    "None",
)


def test_texts_of_a_policy_never_become_code() -> None:
    """An analyst could otherwise run code in the engine by writing a literal."""
    note = nodes.field_input("note", TEXT, optional=True)
    conditions = [
        test
        for text in HOSTILE
        for test in (
            nodes.compare("=", note, nodes.constant(TEXT, text)),
            nodes.in_set(note, (text, "other")),
            nodes.text_test("starts with", note, text),
            nodes.text_test("like", note, f"{text}*{text}"),
            nodes.compare("=", nodes.part("after", note, text), nodes.constant(TEXT, "")),
        )
    ]
    compiled = compiled_of(conditions, (note,))
    for text in (*HOSTILE, *(text * 2 for text in HOSTILE), None, "other"):
        agree(compiled, situation_of(compiled.event, text), frozenset())
    source = compiled._generated(masking=False, fixed=Standing((1 << 60) - 1, 0)).source
    assert not any(text in source for text in HOSTILE if len(text) > 4)
    assert "'" not in source
    assert '"' not in source


def test_generated_code_knows_no_builtins() -> None:
    """Whatever slipped into the source could not open a file or import a module."""
    text = nodes.field_input("note", TEXT)
    compiled = compiled_of([nodes.compare("=", text, nodes.constant(TEXT, "a"))], (text,))
    run = compiled._generated(masking=False, fixed=Standing(1, 0)).run
    assert run.__globals__["__builtins__"] == {}


COMPARISONS = ("<", "<=", ">", ">=", "=", "!=")


def test_comparisons_that_are_undone_round_as_the_arithmetic_does() -> None:
    """`x * 0.5 > 2` becomes a test of x: a tie that rounds to even must stay where it was."""
    x = nodes.field_input("x", NUMBER, bounds=Bounds(-40, 40))
    y = nodes.field_input("y", NUMBER, bounds=Bounds(0, 40))
    factors = [nodes.constant(NUMBER, n) for n in (500_000, 250_000, 1_500_000, 3, -500_000, 0)]
    values = [nodes.arithmetic("*", x, factor) for factor in factors]
    whole = nodes.constant(NUMBER, 8 * 10**6)
    values += [nodes.arithmetic("/", x, divisor) for divisor in (*factors[:3], whole)]
    values += [nodes.arithmetic("*", factors[0], x), nodes.arithmetic("/", x, y)]
    values += [nodes.arithmetic("*", x, nodes.arithmetic("+", y, factors[1]))]
    pairs = ((x, factors[3]), (factors[3], x), (x, y))
    values += [nodes.arithmetic(op, *pair) for op in "+-" for pair in pairs]
    conditions = [
        nodes.compare(op, value, nodes.constant(NUMBER, cut))  # type: ignore[arg-type]
        for value in values
        for op in COMPARISONS
        for cut in (-21, -3, -2, -1, 0, 1, 2, 3, 500_000)
    ]
    compiled = compiled_of(conditions, (x, y))
    for first in range(-20, 21):
        for second in (0, 1, 3, 40):
            agree(compiled, situation_of(compiled.event, first, second), frozenset())


def test_quotients_of_two_inputs_round_half_to_even() -> None:
    """A ratio is compared without dividing; a tie (1/128, 3/128) has to fall as there."""
    amount = nodes.field_input("amount", COUNT, bounds=Bounds(-9, 9))
    typical = nodes.field_input("typical", NUMBER, optional=True, bounds=Bounds(0, 128 * 10**6))
    ratio = nodes.arithmetic("/", amount, typical)
    conditions = [
        nodes.compare(op, value, nodes.constant(NUMBER, cut))  # type: ignore[arg-type]
        for value in (ratio, nodes.otherwise(ratio, nodes.constant(NUMBER, 7_812)))
        for op in COMPARISONS
        for cut in (-7_813, -7_812, 0, 7_811, 7_812, 7_813, 23_437, 23_438, 23_439)
    ]
    compiled = compiled_of(conditions, (amount, typical))
    for first in range(-9, 10):
        for second in (None, 0, 1, 64 * 10**6, 128 * 10**6):
            agree(compiled, situation_of(compiled.event, first, second), frozenset())


def chain_of_lets(length: int, twice: bool) -> tuple[LetRef, ...]:
    """Lets of numbers and of conditions, each reading the one before, once or twice."""
    at = nodes.field_input("at", COUNT, optional=True)
    step = nodes.constant(COUNT, 1)
    number: Expression = at
    flag: Expression = nodes.compare(">", at, step)
    lets: list[LetRef] = []
    for index in range(length):
        grown = nodes.arithmetic("-", nodes.arithmetic("+", number, number), number)
        number = nodes.let(f"n{index}", grown if twice else nodes.arithmetic("+", number, step))
        test = nodes.compare("<", number, nodes.constant(COUNT, index % 7))
        old = nodes.both(flag, nodes.negation(flag)) if twice else flag
        flag = nodes.let(f"f{index}", nodes.either(nodes.both(old, test), nodes.negation(test)))
        lets += [number, flag]
    return tuple(lets)


@pytest.mark.parametrize(("length", "twice"), [(50, False), (300, False), (40, True)])
def test_long_chains_of_lets_compile(length: int, twice: bool) -> None:
    """Spelled out in full they would be deeper, or exponentially longer, than Python reads."""
    lets = chain_of_lets(length, twice)
    conditions = [
        nodes.compare(">", lets[-2], nodes.constant(COUNT, 100)),
        nodes.negation(lets[-1]),
        nodes.both(lets[-1], nodes.is_missing(lets[-2])),
    ]
    event_input = nodes.field_input("at", COUNT, optional=True)
    compiled = compiled_of(conditions, (event_input,), lets)
    for value in (None, 0, 1, 99, 2**63 - 1, -(2**63)):
        situation = situation_of(compiled.event, value)
        found = compiled.evaluate(situation)
        if length == 50:  # the interpreter walks the longer ones too deep, or for hours
            assert found == interpreter.evaluate(compiled.program, situation)


def test_two_thousand_rules_compile_and_agree() -> None:
    """CPython limits how deep code is indented and how long a number may be written."""
    rng = Random(7)
    base = random_program(rng, rules=1, models=0)
    inputs = {i.name: i for i in base.events[0].inputs}
    writer = random_programs.Writer(rng, list(base.events[0].inputs)).sound(True, False)
    conditions: list[Expression] = []
    for number in range(2_000):
        cut = nodes.constant(MONEY, number * 37)
        test = nodes.compare(">", inputs["amount"], cut)
        conditions.append(nodes.both(test, writer.atom(1)))
    program = program_of(conditions, base.events[0].inputs)
    event = replace(program.events[0], lets=tuple(writer.lets))
    program, lists = replace(program, events=(event,)), random_lists(rng, program)
    compiled = compile_event(program, event, lists)
    heard = 0
    for _ in range(3):
        found = agree(compiled, random_situation(rng, program, event, lists), frozenset())
        heard += found.fired.bit_count()
    assert heard


def test_random_programs_hold_every_sort_of_expression() -> None:
    """An operator that no random program holds would never be compared."""
    seen: set[type[Expression]] = set()
    for seed in range(20):
        for one in random_program(Random(seed)).events[0].rules:
            waiting = [one.when, *one.exceptions]
            while waiting:
                expression = waiting.pop()
                seen.add(type(expression))
                waiting.extend(random_programs.children(expression))
    assert seen == set(random_programs.EXPRESSIONS)


def test_dates_switch_rules_on_and_off() -> None:
    """A rule that starts tomorrow must not fire today, nor one that ended yesterday."""
    base = random_program(Random(0), rules=1, models=0)
    at = next(i for i in base.events[0].inputs if i.name == "at")
    always = nodes.compare(">", at, nodes.constant(at.type, 0))
    rules = (
        replace(rule(0, always), from_us=NOW_US),
        replace(rule(1, always), until_us=NOW_US),
        rule(2, always),
    )
    event = replace(base.events[0], rules=rules, inputs=(at,), lets=())
    compiled = compile_event(replace(base, events=(event,)), event, {})
    for at_us, fired in ((NOW_US - 1, 0b110), (NOW_US, 0b101)):
        assert agree(compiled, situation_of(event, at_us), frozenset()).fired == fired
        decided = compiled.decide_values((at_us,), {}, {})
        assert decided.evaluation.fired == fired


def test_a_decision_that_a_score_made_is_not_served_again() -> None:
    """One payment is declined for its amount, the next, of the same rules, for a score alone."""
    amount = nodes.field_input("amount", MONEY)
    score = nodes.score_input("score_0", "model_0")
    base = random_program(Random(0), rules=1, models=1)
    model = replace(base.models[0], use_when=None, may=frozenset({"review"}), ceilings=())
    condition = nodes.either(
        nodes.compare(">", amount, nodes.constant(MONEY, 100)),
        nodes.compare(">", score, nodes.constant(NUMBER, 500_000)),
    )
    event = replace(
        base.events[0],
        default=Disposition.APPROVE,
        rules=(rule(0, condition),),
        inputs=(amount, score),
        lets=(),
    )
    program = replace(base, events=(event,), models=(model,))
    compiled = compile_event(program, event, {})
    for amount_minor, word in ((200, "decline"), (50, "approve"), (200, "decline")):
        decided = compiled.decide_values((amount_minor, 900_000), {}, {"model_0": "ok"})
        assert decided.evaluation.fired == 1
        assert (decided.outcome.word, bool(decided.capped)) == (word, word == "approve")


def test_a_decision_is_remembered_only_by_what_it_depends_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a bound the memory of a service that runs for months would grow for ever."""
    monkeypatch.setattr(generated, "MAX_REMEMBERED", 2)
    count = nodes.field_input("count", COUNT)
    cuts = [nodes.compare(">=", count, nodes.constant(COUNT, cut)) for cut in range(1, 6)]
    compiled = compiled_of(cuts, (count,))
    for value in (0, 1, 2, 3, 4, 5, 1, 5):
        decided = compiled.decide_values((value,), {}, {})
        assert decided.evaluation.fired == (1 << value) - 1


# --- found by fuzzing --------------------------------------------------------------------------


def test_a_local_clock_before_1970_is_that_of_the_first_offset() -> None:
    """A computed time before 1970 would be read on today's clock: 5:45 in Kathmandu, not 5:30."""
    at = nodes.field_input("at", TIME, bounds=Bounds(0, 10**15))
    wait = nodes.field_input("wait", DURATION, bounds=Bounds(0, 10**15))
    early = nodes.arithmetic("-", at, wait)
    minute = nodes.calendar("minute", early, "Asia/Kathmandu")
    conditions = [nodes.compare("=", minute, nodes.constant(COUNT, n)) for n in range(60)]
    compiled = compiled_of(conditions, (at, wait))
    for at_us, wait_us in ((0, 1), (0, 19_800 * 10**6), (10**12, 10**15)):
        agree(compiled, situation_of(compiled.event, at_us, wait_us), frozenset())


def test_what_another_test_follows_from_stays_tested() -> None:
    """`x` missing would be computed with where another condition says `x < 2 or x is missing`."""
    there, small, even = (formulas.Test(name, f"not {name}") for name in ("x", "small", "even"))
    little = formulas.some_of((formulas.all_of((there.yes, small.yes)), there.no))
    possible = formulas.all_of((little, formulas.some_of((there.no, even.yes))))
    sure = formulas.all_of((little, there.yes, even.yes))
    nothing = branches.Effect()
    job = branches.Job(sure, possible, False, nothing, nothing, nothing)
    left = branches._sure_where_possible(job, formulas.NO_FACTS)
    assert there.yes in formulas.conjuncts(left)
