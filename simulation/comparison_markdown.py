"""A comparison as a comment below a pull request: Markdown as GitHub shows it.

Whatever comes from a policy is escaped, so that it can neither mention anybody, nor link anywhere,
nor break a table. What does not fit in one comment is left out from the end, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tidegate.dsl.markdown import code as code  # noqa: PLC0414 - known by this name too
from tidegate.dsl.markdown import plain as plain  # noqa: PLC0414 - known by this name too
from tidegate.engine.differences import Difference
from tidegate.simulation import wording
from tidegate.simulation.comparison import Comparison, EventComparison, Flip, ScoreChange, Side
from tidegate.simulation.judgement import Judged, Judgement
from tidegate.simulation.mapping import WORDS
from tidegate.simulation.measures import Volume
from tidegate.simulation.report_pieces import date_of, percent
from tidegate.simulation.wording import money, points

MOST = 65_536
"""How many characters a comment may have."""
MARK = "<!-- tidegate -->"
"""The first line, by which the comment of an earlier run is found again."""
_MARKS = {"broken": "❌ broken", "undecided": "❔ undecided", "kept": "✅ kept"}
_TONES = {"bad": "❌", "careful": "⚠️", "good": "✅", "plain": "ℹ️"}  # noqa: RUF001 - a sign
_LEFT_OUT = "\n\n*More does not fit into a comment; the report has it all.*\n"
_SHOWN = 40


def to_markdown(comparison: Comparison, judgement: Judgement | None = None) -> str:
    """The comment. `judgement` where a gate is declared."""
    return _fitting(_blocks(comparison, judgement))


def _fitting(blocks: Iterable[str]) -> str:
    """The blocks in their order, without those that do not fit."""
    text, left_out = "", ""
    for block in blocks:
        if len(text) + len(block) + len(_LEFT_OUT) > MOST:
            left_out = _LEFT_OUT
        else:
            text += block
    return text + left_out


def _blocks(comparison: Comparison, judgement: Judgement | None) -> Iterator[str]:
    said = wording.verdict(comparison, judgement)
    policy = comparison.after.policy or comparison.before.policy
    yield f"{MARK}\n### {_TONES[said.tone]} {plain(policy)}: {plain(said.headline)}\n\n"
    yield "".join(f"- {plain(sentence)}\n" for sentence in said.sentences) + "\n"
    lines = judgement.lines if judgement is not None else ()
    broken = [line for line in lines if line.result == "broken"]
    if broken:
        yield from _gate("#### The gate\n\n", broken)
    yield from _words(comparison)
    others = [line for line in lines if line.result != "broken"]
    if others:
        yield _folded(f"{len(others):,} limits that are not broken", "".join(_gate("", others)))
    if comparison.effects is not None:
        for event in comparison.effects.events:
            yield from _event(event)
        notes = "".join(f"- {plain(note)}\n" for note in comparison.effects.notes)
        yield _folded("Read this with it", notes)
    yield f"<sub>{_side(comparison.before)} &rarr; {_side(comparison.after)}</sub>\n"


def _side(side: Side) -> str:
    return f"{code(side.name)} {code(side.commit[:10] or side.hash[:10])}"


# --- texts that come from a policy -------------------------------------------------------------


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n</details>\n\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    """A table of cells that are Markdown already; the first `names` columns stand to the left."""
    lines = ["| " + " | ".join(columns) + " |"]
    lines.append("|" + "|".join("---" if i < names else "---:" for i in range(len(columns))) + "|")
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


# --- parts -------------------------------------------------------------------------------------


def _gate(title: str, lines: Sequence[Judged]) -> Iterator[str]:
    ordered = sorted(lines, key=lambda line: list(_MARKS).index(line.result))
    rows = map(_limit, ordered[:_SHOWN])
    yield title + _table(("limit", "bound", "result", "figure"), rows, 4)
    yield f"\nand {len(ordered) - _SHOWN:,} more\n\n" if len(ordered) > _SHOWN else "\n"


def _limit(line: Judged) -> tuple[str, ...]:
    segment = ""
    if line.limit.segments is not None:
        segment = f", {plain(line.limit.segments.field)}: {plain(line.segment)}"
    about = f"{plain(wording.limit_words(line.limit))}{segment}"
    return about, plain(line.bound), _MARKS[line.result], plain(line.said)


def _words(comparison: Comparison) -> Iterator[str]:
    found = comparison.words.differences
    if not found:
        differ = comparison.words.texts_differ
        said = "what differs is formatting or comments" if differ else "nothing differs"
        yield f"#### What changed\n\nNo change of meaning: {said}.\n\n"
        return
    yield "#### What changed\n\n"
    yield from _groups(found)
    rules = [d for d in found if d.text_before or d.text_after]
    if rules:
        texts = "".join(_whole(d) for d in rules[:_SHOWN])
        yield _folded("The whole rules", texts)


def _whole(difference: Difference) -> str:
    """A rule as it was and as it is, as code."""
    texts = {"before": difference.text_before, "after": difference.text_after}
    shown = [f"{when}:\n\n{_block(text)}" for when, text in texts.items() if text]
    return f"{code(difference.name)} {''.join(shown)}"


def _block(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}\n\n"


def _groups(found: Sequence[Difference]) -> Iterator[str]:
    for key, name in wording.GROUPS.items():
        group = [d for d in found if wording.group_of(d) == key]
        if not group:
            continue
        lines = "".join(map(_difference, group[:_SHOWN]))
        if len(group) > _SHOWN:
            lines += f"- and {len(group) - _SHOWN:,} more\n"
        if key in ("later", "none"):
            yield _folded(f"{name} ({len(group):,})", lines)
        else:
            yield f"**{name}**\n\n{lines}\n"


def _difference(difference: Difference) -> str:
    versions = difference.version_before, difference.version_after
    raised = ""
    if None not in versions and versions[0] != versions[1]:
        raised = f" version {versions[0]} &rarr; {versions[1]}"
    stronger = ", stronger" if difference.effect == "strengthens" else ""
    kind = difference.kind.replace("_", " ")
    place = f" ({plain(difference.file)}:{difference.line})" if difference.line else ""
    turn = f"{wording.TURNS[difference.turn]}{stronger}{place}"
    lines = [f"- {kind} {code(difference.name)}{raised}: {turn}\n"]
    for detail in difference.details:
        note = f" {plain(detail.note)}" if detail.note else ""
        lines.append(f"  - {plain(detail.what)}: {_change(detail.before, detail.after)}{note}\n")
    return "".join(lines)


def _change(before: str, after: str) -> str:
    if before and after:
        return f"{code(before)} &rarr; {code(after)}"
    return code(after) if after else f"{code(before)} is gone" if before else ""


def _event(event: EventComparison) -> Iterator[str]:
    if not event.after.measured.count:
        return
    currency = event.after.currency
    yield f"#### What it does to {code(event.event)}\n\n"
    rates = (
        (
            wording.OUTCOMES[r.name], percent(r.before.millionths), percent(r.after.millionths),
            points(r.difference_millionths),
            f"{points(r.low_millionths)} and {points(r.high_millionths)}",
        )
        for r in event.rates
    )  # fmt: skip
    yield _table(("outcome", "before", "after", "points", "between (95 %)"), rates) + "\n"
    yield _folded("From which outcome to which", _matrix(event))
    if event.after.label:
        yield _folded(f"How well {plain(event.after.label)} is found", _levels(event))
    for scores in event.scores:
        yield _folded(plain(wording.model_change(scores)), _scores(scores))
    if event.marginals:
        yield _folded("What each change does by itself", _marginals(event))
    if event.flips:
        flips = "".join(
            f"**{sample.before} &rarr; {sample.after}**: {len(sample.shown):,} of"
            f" {_volume(sample.all, currency)}\n\n"
            + _table(_FLIP_COLUMNS, (_flip(flip, currency) for flip in sample.shown), 2)
            + "\n"
            for sample in event.flips
        )
        yield _folded("Payments that get another outcome", flips)


def _volume(volume: Volume, currency: str) -> str:
    return f"{volume.count:,}" + (f", {money(volume.minor, currency)}" if currency else "")


def _matrix(event: EventComparison) -> str:
    found = {(t.before, t.after): t.all for t in event.transitions}
    rows = []
    for before in WORDS:
        cells = [found.get((before, after), Volume()) for after in WORDS]
        if any(cell.count for cell in cells):
            shown = (_volume(cell, event.after.currency) if cell.count else "0" for cell in cells)
            rows.append((f"**{before}**", *shown))
    return _table(("before", *WORDS), rows)


def _levels(event: EventComparison) -> str:
    currency = event.after.currency
    rows = [
        (
            wording.LEVELS[level.name], when, percent(d.precision.millionths),
            percent(d.recall.millionths), _volume(d.fraud, currency),
            _volume(d.missed_fraud, currency), _volume(d.good, currency),
        )
        for level in event.levels
        for when, d in (("before", level.before), ("after", level.after))
    ]  # fmt: skip
    found = f"{plain(event.after.label)} stopped", f"{plain(event.after.label)} missed"
    columns = ("stopped", "", "precision", "recall", *found, "good stopped")
    return _table(columns, rows, 2)


def _scores(change: ScoreChange) -> str:
    return "".join(f"- {plain(said)}\n" for said in wording.scores_compared(change))


def _marginals(event: EventComparison) -> str:
    currency = event.after.currency
    rows = [
        (
            code(one.rule), _volume(one.flipped_alone, currency), f"{one.fraud_stopped_alone:+,}",
            f"{one.good_stopped_alone:+,}", _volume(one.flipped_last, currency),
        )
        for one in event.marginals
    ]  # fmt: skip
    columns = (
        "rule",
        "alone: other outcome",
        "fraud stopped",
        "good stopped",
        "as the last change",
    )
    return _table(columns, rows)


_FLIP_COLUMNS = ("payment", "known", "day", "amount", "rules no more", "rules now")


def _flip(flip: Flip, currency: str) -> tuple[str, ...]:
    gone = [rule for rule in flip.fired_before if rule not in flip.fired_after]
    come = [rule for rule in flip.fired_after if rule not in flip.fired_before]
    rules = (", ".join(map(code, found)) or "-" for found in (gone, come))
    amount = money(flip.minor, currency)
    return code(flip.payment), wording.KNOWN[flip.known], date_of(flip.day), amount, *rules
