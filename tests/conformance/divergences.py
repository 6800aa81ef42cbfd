"""Where the language answers differently on purpose: the reason, and patterns of vectors' ids."""

from __future__ import annotations

REASONS: dict[str, tuple[str, ...]] = {
    "a comparison with a missing value is unknown; `is missing` asks for absence": (
        "feel/0068-feel-equality/null_00[12]/*",
        "feel/0068-feel-equality/boolean_00[67]/*",
        "feel/0068-feel-equality/number_006/*",
        "feel/0068-feel-equality/string_004/*",
        "feel/0068-feel-equality/date_003/*",
        "feel/0068-feel-equality/datetime_010/*",
        "feel/0068-feel-equality/dt_duration_006/*",
    ),
    "a `case` whose condition is unknown has no value; unknown is not false": (
        "feel/0032-conditionals/003/*",
        "feel/0032-conditionals/006/*",
    ),
    "`and` and `or` take conditions only, whatever the other side is": (
        "feel/0064-feel-conjunction/00[68]_[bc]/*",
        "feel/0065-feel-disjunction/00[37]_[bc]/*",
    ),
    "`before` and `after` are missing where the mark is not found": (
        "feel/1107-feel-substring-before-function/003_*",
        "feel/1108-feel-substring-after-function/00[35]_*",
    ),
    "`before` and `after` look for a mark of at least one character": (
        "feel/1107-feel-substring-before-function/00[45]_*",
        "feel/1108-feel-substring-after-function/00[46]_*",
    ),
    "a day is the instant at its start, so a part of a day can be added to it": (
        "feel/0100-arithmetic/add_lhs_date_to_rhs_dtDuration_002/*",
        "feel/0100-arithmetic/add_lhs_dtDuration_to_rhs_date_002/*",
        "feel/0100-arithmetic/subtract_lhs_date_minus_rhs_dtDuration_00[2345679]/*",
        "feel/0100-arithmetic/subtract_lhs_date_minus_rhs_dtDuration_010/*",
        "feel/0100-arithmetic/subtract_lhs_date_minus_rhs_dateAndTime_001/*",
        "feel/0100-arithmetic/subtract_lhs_dateAndTime_minus_rhs_date_001/*",
    ),
    "midnight is written 00:00 of the next day, not 24:00": (
        "feel/0100-arithmetic/add_lhs_dateAndTime_to_rhs_dtDuration_009/*",
        "feel/0100-arithmetic/add_lhs_dateAndTime_to_rhs_dtDuration_010/*",
        "feel/0100-arithmetic/add_lhs_dtDuration_to_rhs_dateAndTime_009/*",
        "feel/0100-arithmetic/add_lhs_dtDuration_to_rhs_dateAndTime_010/*",
        "feel/0100-arithmetic/subtract_lhs_dateAndTime_minus_rhs_dtDuration_00[5689]/*",
    ),
    "RE2 takes no class of characters out of another one": (
        "feel/1111-feel-matches-function/caselessmatch0[89]/*",
    ),
    "an instant counts to the microsecond": ("feel/0068-feel-equality/datetime_003_a/*",),
    "an offset may be up to 23:59, as in RFC 3339": (
        "feel/1117-feel-date-and-time-function/07[89]_*",
    ),
    "the vector's decision declares another type than its expression; no tree says so": (
        "feel/0082-feel-coercion/decision_001/*",
        "feel/0082-feel-coercion/decision_006_a/*",
        "feel/0082-feel-coercion/literal_00[24]/*",
        "feel/0082-feel-coercion/decisionService_00[12]/*",
    ),
}
