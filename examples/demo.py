"""The demo: `make demo` copies the first example into `demo/` and runs what an analyst would run.

The folder is kept: edit a rule in it and run the demo again to see the difference.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path("demo")
STEPS = (
    ("Check the rules and run their cases", ["check", "demo"]),
    ("", ["test", "demo"]),
    ("What would these rules have done to the past?", ["backtest", "demo", "demo/mapping.yaml"]),
    (
        "Decide one payment and keep its record",
        ["decide", "demo", "demo/payment.json", "--features", "demo/features.json",
         "--record", "demo/record.json"],
    ),
    (
        "What the customer is told, and why another rule did not fire",
        ["explain", "demo/record.json", "--policy", "demo", "--audience", "customer"],
    ),
    ("", ["explain", "demo/record.json", "--policy", "demo", "--rule", "burst"]),
    ("Decide it again from the record alone", ["replay", "demo/record.json", "--policy", "demo"]),
)  # fmt: skip
CLOSING = """
Now edit demo/rules.tide: change `amount > 300 EUR` to `amount > 500 EUR` and run `make demo` again.
One case fails, and says what it expected; the decision and the dry run change with the rule.
"""


def main() -> int:
    """Run every step; a failing case does not stop the demo, its exit code is only shown."""
    if not FOLDER.exists():
        _run(["init", "demo"])
    for title, arguments in STEPS:
        if title:
            print(f"\n── {title}", flush=True)
        _run(arguments)
    print(CLOSING, flush=True)
    return 0


def _run(arguments: list[str]) -> None:
    print(f"\n$ tidegate {' '.join(arguments)}", flush=True)
    code = subprocess.run(
        [sys.executable, "-m", "tidegate.cli", *arguments], check=False
    ).returncode
    if code:
        print(f"(exit code {code})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
