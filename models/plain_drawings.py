"""Whether a drawing (SVG) is shapes and words alone: nothing that runs, loads or leads away."""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

SVG_NAMESPACE: Final = "http://www.w3.org/2000/svg"
ELEMENTS: Final = frozenset(
    [
        "svg",
        "g",
        "title",
        "desc",
        "style",
        "text",
        "tspan",
        "line",
        "circle",
        "rect",
        "path",
        "polyline",
        "polygon",
    ]
)
ATTRIBUTES: Final = frozenset(
    [
        "viewBox",
        "role",
        "xmlns",
        "class",
        "width",
        "height",
        "transform",
        "x",
        "y",
        "x1",
        "x2",
        "y1",
        "y2",
        "cx",
        "cy",
        "r",
        "rx",
        "ry",
        "d",
        "points",
        "dx",
        "dy",
        "text-anchor",
        "fill",
        "stroke",
        "stroke-width",
        "aria-label",
        "aria-hidden",
    ]
)
_STYLE_ACTS: Final = re.compile(r"[\\@<]|url|expression|import|image|/\*", re.IGNORECASE)
"""What lets a style load something, or hide that it does."""


class _NotPlain(Exception):  # noqa: N818 - it says what was found
    pass


def why_not_plain(content: bytes) -> str:
    """Why a drawing is not taken; empty where it is."""
    parser = expat.ParserCreate("UTF-8")
    opened: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name not in ELEMENTS or (not opened and name != "svg"):
            raise _NotPlain(f"`<{name[:40]}>` is no part of a plot")
        opened.append(name)
        for key, value in attributes.items():
            if key not in ATTRIBUTES:
                raise _NotPlain(f"`{key[:40]}` is no attribute of a plot")
            if (key == "xmlns" and value != SVG_NAMESPACE) or (key != "xmlns" and _acts(value)):
                raise _NotPlain(f"`{key}` holds what no plot needs")

    def text(data: str) -> None:
        if opened[-1] == "style":
            styles.append(data)

    def refuse(*_: object) -> None:
        raise _NotPlain("a plot has neither a document type nor instructions")

    styles: list[str] = []
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _name: opened.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.ProcessingInstructionHandler = refuse
    try:
        parser.Parse(content, True)
    except _NotPlain as found:
        return str(found)
    except (expat.ExpatError, UnicodeError, ValueError):
        return "is no drawing"
    return "its style holds what no plot needs" if _acts("".join(styles)) else ""


def _acts(text: str) -> bool:
    return _STYLE_ACTS.search(text) is not None
