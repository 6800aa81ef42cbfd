"""Conflicts of the grammar, as Lark's LALR builder reports them."""

from __future__ import annotations

import logging

from lark import Lark
from lark.exceptions import GrammarError
from lark.utils import logger

from tests.conftest import ROOT
from tidegate.dsl.words import DECLARATIONS


class _Kept(logging.Handler):
    """Keeps what Lark logs while it builds."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def conflicts() -> list[str]:
    """Every shift that Lark prefers to a reduction, and every conflict it cannot settle."""
    kept, level = _Kept(), logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    try:
        grammar = (ROOT / "dsl" / "grammar.lark").read_text()
        Lark(grammar, parser="lalr", start=list(DECLARATIONS), debug=True)
    except GrammarError as error:
        return [str(error)]
    finally:
        logger.removeHandler(kept)
        logger.setLevel(level)
    return [line for line in kept.lines if "onflict" in line]
