"""The compiled scalar evaluator: an event's rules as one generated Python function.

Everything that can be looked up is looked up while compiling. What runs for an event unpacks its
values into locals and branches over them (`lowering` makes the tests, `branches` their order); it
answers three bit masks and the points. Nothing in it can raise: a value that may be missing is
tested before it is used.

There are up to four functions for an event, each made when it is first needed: with every score
there or with some masked, with a standing that no event changes or with one that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.program import EventType, Program, Rule
from tidegate.dsl.types import Value
from tidegate.engine.authority import Authority, authority
from tidegate.engine.branches import Branches, Effect, Job
from tidegate.engine.formulas import NO_FACTS, render, simplify, some_of
from tidegate.engine.interpreter import asks_exempt, evaluate_as
from tidegate.engine.lowering import Context, Lowering, Truth, container, unset
from tidegate.engine.situation import Evaluation, ScoreStatus, Settled, Situation, Standing
