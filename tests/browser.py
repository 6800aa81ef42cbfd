"""Debian's Chromium looking at a page from a file: what it measures, and what it complains of.

The page may hold no script, so another one looks at it: it shows the page in frames of several
widths, measures them, and writes down what it found.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser")
ABSENT = "needs Debian's chromium: `make browser` installs it as root"
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--allow-file-access-from-files", "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=4000",
)  # fmt: skip
_LOOKER = """<!doctype html><meta charset="utf-8"><title>looking</title>
<body style="margin:0">{frames}
<pre id="found"></pre>
<script>
addEventListener("load", () => {{
  const found = [...document.querySelectorAll("iframe")].map((frame) => {{
    const page = frame.contentDocument, root = page.documentElement;
    const wide = [...page.querySelectorAll("body *")].filter((e) => {{
      const box = e.getBoundingClientRect();
      return box.right > root.clientWidth + 1 && !e.closest(".scroll");
    }});
    return {{
      width: frame.clientWidth, height: root.scrollHeight, scrolls: root.scrollWidth,
      wide: wide.slice(0, 5).map((e) => e.tagName + "." + e.className),
      text: page.body.innerText.length,
    }};
  }});
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>"""


@dataclass(frozen=True)
class Look:
    """What was found at one width: `wide` are elements that stand out to the right."""

    width: int
    height: int
    scrolls: int
    wide: tuple[str, ...]
    text: int


@dataclass(frozen=True)
class Looked:
    """The looks, every line on the console, and every address that was asked for."""

    looks: tuple[Look, ...]
    console: tuple[str, ...]
    requests: tuple[str, ...]


def chromium() -> str:
    """The browser; its absence fails the test and says what to do."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(ABSENT)
    return found


def look(page: Path, widths: tuple[int, ...], folder: Path) -> Looked:
    """Show the page at these widths; `folder` is for what the browser writes."""
    browser = chromium()
    frames = "".join(
        f'<iframe src="{page.as_uri()}" width="{width}" height="900" style="border:0"></iframe>'
        for width in widths
    )
    looker, log = folder / "looker.html", folder / "net.json"
    looker.write_text(_LOOKER.format(frames=frames), encoding="utf-8")
    command = [
        browser, *_FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}",
        "--window-size=1400,1000", "--dump-dom", looker.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    looks = tuple(
        Look(one["width"], one["height"], one["scrolls"], tuple(one["wide"]), one["text"])
        for one in json.loads(found[1].replace("&gt;", ">").replace("&lt;", "<"))
    )
    console = tuple(line for line in done.stderr.splitlines() if ":CONSOLE" in line)
    return Looked(looks, console, tuple(dict.fromkeys(_asked(log))))


def _asked(log: Path) -> Iterator[str]:
    """What pages asked for; what the browser asks for by itself has no origin."""
    for event in json.loads(log.read_text(encoding="utf-8"))["events"]:
        asked = event.get("params", {})
        if "url" in asked and asked.get("initiator", "not an origin") != "not an origin":
            yield asked["url"]
