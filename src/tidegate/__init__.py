"""Tidegate decides payments: one recorded, explained and repeatable decision for each event.

The public face. Its few names are resolved when they are first asked for, so that importing one
part of Tidegate never pays for another.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.engine import Decision, Engine, EventRefused
    from tidegate.rules import Policy, PolicyRefused, load_policy
    from tidegate.rules.serving import PeopleRefused, registry

__version__ = "0.1.0"

__all__ = [
    "Decision",
    "Engine",
    "EventRefused",
    "PeopleRefused",
    "Policy",
    "PolicyRefused",
    "__version__",
    "load_policy",
    "registry",
]

_HOMES = {
    "Decision": "tidegate.engine",
    "Engine": "tidegate.engine",
    "EventRefused": "tidegate.engine",
    "PeopleRefused": "tidegate.rules.serving",
    "Policy": "tidegate.rules",
    "PolicyRefused": "tidegate.rules",
    "load_policy": "tidegate.rules",
    "registry": "tidegate.rules.serving",
}


def __getattr__(name: str) -> object:
    """Resolve a public name from the folder that owns it, once."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, whether they have been resolved or not."""
    return sorted({*globals(), *__all__})
