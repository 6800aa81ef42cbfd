"""What people really type by mistake in conditions: operators, brackets, amounts, durations, signs.

Each function looks at the place where the parser stopped and says what is meant, or nothing.
"""

from __future__ import annotations

import re

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.habits import NULLS
from tidegate.dsl.pieces import Piece
from tidegate.dsl.syntax_case import Case, Said, at, short
from tidegate.dsl.words import RESERVED


def chained(case: Case) -> Said | None:
    found, expected = case.stop.found, case.stop.expected
    if (
        found in ("<=", ">=", "!=", "=", "<", ">")
        and "or" in expected
        and "RELATION" not in expected
    ):
        return Said(
            "comparisons cannot be chained",
            "join two comparisons with `and`, or write `x between a and b`", "TG110",
        )  # fmt: skip
    return None


def brackets(case: Case) -> Said | None:
    stop = case.stop
    if stop.found == ")":
        opened = _open_bracket(stop.before)
        if opened is None:
            return Said("this `)` closes nothing", "delete it, or open it before", "TG111")
        if opened.text == "case":
            related = ((at(case, opened), "opened here"),)
            return Said("this `case` is not ended", "end it with `end`", "TG111", related)
        return None
    if ")" not in stop.expected or "WORD" in stop.expected:
        return None
    opened = _open_bracket(stop.before)
    closing = not stop.found or stop.found in RESERVED
    if opened is None or not closing:
        return None
    return Said(
        "this parenthesis is not closed",
        "close it with `)`",
        "TG111",
        ((at(case, opened), "opened here"),),
    )


def unended_case(case: Case) -> Said | None:
    stop = case.stop
    opened = _open_bracket(stop.before)
    if opened is None or opened.text != "case" or (stop.found and stop.found not in RESERVED):
        return None
    related = ((at(case, opened), "opened here"),)
    if "end" in stop.expected and stop.found != "when":
        return Said("this `case` is not ended", "end it with `end`", "TG111", related)
    if "else" in stop.expected and stop.found == "end":
        return Said(
            "this `case` has no `else`",
            "say what it is where no branch holds: `else 0 end`",
            related=related,
        )
    return None


def _open_bracket(pieces: tuple[Piece, ...]) -> Piece | None:
    stack: list[Piece] = []
    for piece in pieces:
        if piece.text in ("(", "case") and piece.sort != "STRING":
            stack.append(piece)
        elif piece.text in (")", "end") and stack:
            stack.pop()
    return stack[-1] if stack else None


def quoted_word(case: Case) -> Said | None:
    """`land = GB`, `brand = VISA`, `fee = NULL`: capitals where a value is compared."""
    stop, found = case.stop, case.stop.found
    if not re.fullmatch(r"[A-Z][A-Za-z0-9_]*[A-Z0-9_]|None", found):
        return None
    if not _compared(case):
        return None
    what = _compared_name(stop.before)
    if found.lower() in NULLS:
        test = "present" if stop.last == "!=" else "missing"
        return Said(f"there is no `{found}`", f"write `{what} is {test}`")
    code = len(found) <= 3
    message = f"`{short(found)}` does not fit here; {'a code' if code else 'a word'} is quoted"
    ways = [f'`"{short(found)}"`']
    if not code:
        ways.append(f"`{short(found.lower())}` if it is a name")
    elif found in MINOR_DIGITS and what != "currency":
        ways.append(f"`100 {found}` if it is an amount")
    return Said(message, f"write {', or '.join(ways)}", "TG104")


def _compared(case: Case) -> bool:
    """Whether the place is the right side of `=` or `!=`, or in a set."""
    stop = case.stop
    if "STRING" not in stop.expected or len(stop.before) < 4:
        return False
    return stop.last in ("=", "!=") if "(" in stop.expected else stop.last in ("(", ",")


def _compared_name(before: tuple[Piece, ...]) -> str:
    """The word before the last `=`, `!=`, `in` or `not in`."""
    words = [piece.text for piece in before]
    while words and words.pop() not in ("=", "!=", "in"):
        pass
    return next((word for word in reversed(words) if word != "not"), "VALUE")


def amount(case: Case) -> Said | None:
    stop, unit = case.stop, _currency(case.stop.found)
    if "CURRENCY" in stop.expected and unit:
        return Said(f"`{stop.found}` does not fit here; a currency is written in capitals",
                     f"write `{unit}`")  # fmt: skip
    if re.fullmatch(r"[A-Z]{3}", stop.found) and "INT" in stop.expected:
        return Said(f"`{stop.found}` does not fit here; the number stands before its currency",
                     f"write `100 {stop.found}`")  # fmt: skip
    after_number = stop.last[-1:].isdigit()
    if stop.found == "percent" and after_number:
        return Said("`percent` does not fit here", f"write `{stop.last}%`", "TG102")
    if (after_number and (unit or stop.found.isupper())) or stop.found in _SIGNS_OF_MONEY:
        example = f"{stop.last} {unit}" if after_number and unit else case.amount
        return Said(
            f"`{short(stop.found)}` does not fit here", f"an amount is written `{example}`", "TG102"
        )
    return None


def _currency(word: str) -> str:
    """The currency that is meant by `word`; empty where it is none."""
    if word.upper() in MINOR_DIGITS:
        return word.upper()
    return _UNITS_OF_MONEY.get(word.rstrip("s"), "")


_UNITS_OF_MONEY = {"euro": "EUR", "dollar": "USD", "pound": "GBP"}
_SIGNS_OF_MONEY = frozenset("€$£¥")
_UNITS = {
    "seconds": "s", "second": "s", "sec": "s", "s": "s", "minutes": "m", "minute": "m", "min": "m",
    "mins": "m", "m": "m", "hours": "h", "hour": "h", "h": "h", "days": "d", "day": "d", "d": "d",
    "weeks": "w", "week": "w", "w": "w", "ms": "ms", "us": "us",
}  # fmt: skip


def spaced_duration(case: Case) -> Said | None:
    stop = case.stop
    follows = re.match(r"\s*([a-z]+)", case.after)
    if "DURATION" in stop.expected and stop.found.isdigit() and follows and follows[1] in _UNITS:
        literal = f"{stop.found}{_UNITS[follows[1]]}"
    elif stop.found in _UNITS and stop.last.isdigit() and "WORD" not in stop.expected:
        literal = f"{stop.last}{_UNITS[stop.found]}"
    else:
        return None
    return Said("a duration is one word", f"write `{literal}`", "TG102")


def range_words(case: Case) -> Said | None:
    stop = case.stop
    joined = stop.found in ("to", ",", "-", "..", ".") or (stop.found == "or")
    if stop.read("between") and joined and "or" not in stop.expected and "and" in stop.expected:
        return Said("`between` joins its ends with `and`", "write `between 1 and 5`")
    if stop.found == "to" and "or" in stop.expected:
        return Said(
            "`to` does not fit here",
            "write `between 1 and 5`; for 23 to 5 write `hour(at) >= 23 or hour(at) < 5`",
        )  # fmt: skip
    return None


def is_words(case: Case) -> Said | None:
    stop = case.stop
    if stop.last != "is" or "missing" not in stop.expected:
        return None
    if stop.found == "not":
        rest = re.match(r"\s*(missing|present|null|none)?", case.after)
        word = rest[1] if rest and rest[1] else "missing"
        other = "missing" if word == "present" else "present"
        return Said("`is not` is not an operator here", f"write `is {other}`", "TG103")
    if stop.found.lower() in ("null", "none", "nil", "undefined", "empty", "unknown", "absent"):
        return Said(
            f"`is {short(stop.found)}` is not an operator here", "write `is missing`", "TG103"
        )
    return Said("after `is` stands `missing` or `present`", "use `=` to compare")


_BRACKETS_OF_OTHERS = {
    "[": ("a set stands in parentheses", "write `in (1, 2)`"),
    "]": ("a set stands in parentheses", "write `in (1, 2)`"),
    "{": ("braces are no part of the language", "delete it; the next declaration ends this one"),
    "}": ("braces are no part of the language", "delete it; the next declaration ends this one"),
    ";": ("`;` is no part of the language", "delete it; the next declaration ends this one"),
}  # fmt: skip
_SIGNS_OF_OTHERS = {
    ":": "delete it, or write `then`", "%": "a percentage is written `12%`; there is no remainder",
    "^": "there is no power; multiply", "?": "write `case when … then … else … end`",
    "&": "write `and`", "|": "write `or`", "~": 'write `like "a*"`',
    "@": "a field is its name alone", "$": "a field is its name alone",
    "`": "names need no quotes", "\\": "lines need no joining",
}  # fmt: skip


def foreign_sign(case: Case) -> Said | None:
    stop = case.stop
    if stop.found in _BRACKETS_OF_OTHERS:
        return Said(*_BRACKETS_OF_OTHERS[stop.found])
    touching = stop.before and stop.before[-1].end == stop.start
    if stop.found in ("/", "*") and stop.last == "/" and touching:
        return Said("a comment starts with `#`", "write `# …`")
    if stop.found in _SIGNS_OF_OTHERS and stop.found not in stop.expected:
        return Said(f"`{stop.found}` does not fit here", _SIGNS_OF_OTHERS[stop.found])
    named = touching and stop.before[-1].sort == "WORD" and re.match(r"[a-z]", case.after)
    if stop.found == "-" and named and "SIGN" not in stop.expected:
        opened = _open_bracket(stop.before)
        if opened is not None and opened.text == "(" and "or" not in stop.expected:
            word = stop.last + re.split(r"[^a-z0-9_-]", f"-{case.after}", maxsplit=1)[0]
            return Said(
                "`-` cannot stand in a name, and a word is quoted", f'write `"{word}"`', "TG104"
            )
        return Said("`-` cannot stand in a name", "write `_`", "TG105")
    return None


def capital(case: Case) -> Said | None:
    found = case.stop.found
    if not re.match(r"[A-Za-z0-9_]*[A-Z]", found):
        return None
    if found.lower() in case.stop.expected or found.lower() in RESERVED:
        return Said(f"`{short(found)}` does not fit here",
                     f"words of the language are lower case: `{found.lower()}`")  # fmt: skip
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", found).lower()
    code = "TG105" if "WORD" in case.stop.expected else "TG101"
    message = f"`{short(found)}` does not fit here; names are lower case"
    return Said(message, f"call it `{short(snake)}`", code)
