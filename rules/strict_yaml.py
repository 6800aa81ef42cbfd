"""YAML as people mean it: texts stay texts, nothing comes twice, and every part has its line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tidegate.dsl.diagnostics import Diagnostic
from tidegate.dsl.source import Span
from tidegate.rules.files import decoded, unreadable

_NOT_YAML = (
    "from here on the file is no YAML",
    "look at the indentation, and at brackets and quotes that are not closed",
)


def read_yaml(path: Path, name: str, code: str) -> tuple[yaml.Node | None, object] | Diagnostic:
    """What the file at `path` holds, as nodes with their places and as values.

    The values are texts, flags, whole numbers, decimals, lists, mappings and None. `name` is how
    messages call the file; `code` is the code of the diagnostic that says why it is not taken.
    """
    try:
        text = decoded(path.read_bytes(), name)
    except OSError as error:
        return unreadable(name, error)
    if isinstance(text, Diagnostic):
        return text
    try:
        return yaml.compose(text, Loader=_Loader), yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except _NotTakenError as error:
        return _problem(code, name, error.line, error.what)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        return _problem(code, name, mark.line + 1 if mark else 0, *_NOT_YAML)


def line_of(node: yaml.Node | None, path: Iterable[str | int]) -> int:
    """The line (from one) of the innermost part on `path` that the file holds."""
    line = node.start_mark.line if node is not None else 0
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line
    return line + 1


def _problem(code: str, file: str, line: int, message: str, help_text: str = "") -> Diagnostic:
    return Diagnostic(code, message, Span(file, 0, 0), help_text, line=line)


class _NotTakenError(Exception):
    """Something is YAML and not taken; the place is a line from one."""

    def __init__(self, what: str, mark: yaml.Mark) -> None:
        super().__init__(what)
        self.what = what
        self.line: int = mark.line + 1


class _Loader(yaml.SafeLoader):
    """Texts stay texts: dates, `no`, `on` and `0x10` are none of YAML 1.1's other things."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - yaml's own way

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse what makes a file mean something else than it shows."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            problem = "every part stands for itself: `&` and `*` are not taken"
        elif getattr(event, "tag", None) is not None:
            problem = "types are not taken: quote what has to be a text"
        else:
            return super().compose_node(parent, index)
        raise _NotTakenError(problem, event.start_mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that comes twice: the second one would win unseen."""
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _NotTakenError("a key is one word", key.start_mark)
            if key.value in seen:
                raise _NotTakenError(f"`{key.value}` comes twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _decimal(_loader: _Loader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(node.value)


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|false)$", "tf")
_resolve("null", r"^(?:null|~|)$", "n~\0")
_resolve("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789")
_resolve("float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$", "-0123456789")
_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
