"""The contents of managed lists: plain state, entries in, immutable snapshots out.

A snapshot is made anew where a list changed or an entry expired, and only then; a decision takes
the one of its own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.program import ListDeclaration
from tidegate.rules.tables import content_of

NEVER_US = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Listed:
    """A value on a list. Times are UTC microseconds; `NEVER_US` is no end."""

    value: str
    since_us: int
    until_us: int = NEVER_US


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one list at one time.

    `added` replace entries of the same value. With `whole` the list holds them and nothing else.
    """

    list: str
    added: tuple[Listed, ...] = ()
    removed: tuple[str, ...] = ()
    whole: bool = False


@dataclass(slots=True)
class _List:
    declared: ListDeclaration
    entries: dict[str, Listed] = field(default_factory=dict)
    next_us: int = NEVER_US


class ManagedLists:
    """The managed lists of one policy beside `fixed`, those that come from files. For one thread.

    A managed list that was never touched is empty, and can be read.
    """

    def __init__(self, declared: Iterable[ListDeclaration], fixed: Lists) -> None:
        self._lists = {one.name: _List(one) for one in declared if not one.path}
        self._fixed = {name: fixed[name] for name in fixed if name not in self._lists}
        self._contents: dict[str, ListContent] = {}
        self._snapshot: Lists = dict(self._fixed)
        self._next_us = NEVER_US
        for name in self._lists:
            self._remake(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The managed lists."""
        return tuple(self._lists)

    def at(self, now_us: int) -> Lists:
        """All lists as they are at this time, which is never before one that was asked for."""
        if now_us >= self._next_us:
            self._expire(now_us)
        return self._snapshot

    def entries(self, name: str) -> tuple[Listed, ...]:
        """What is on a list, in the order of values; KeyError where no such list is managed."""
        return tuple(sorted(self._lists[name].entries.values(), key=lambda e: e.value))

    def hash(self, name: str) -> str:
        """The hash of the list's content, as decisions record it."""
        return self._contents[name].hash

    def prepared(self, change: Change) -> Mapping[str, Listed]:
        """What the list will hold after a change; alters nothing."""
        entries = {} if change.whole else dict(self._lists[change.list].entries)
        for value in change.removed:
            entries.pop(value, None)
        entries.update((listed.value, listed) for listed in change.added)
        return entries

    def content(self, name: str, entries: Iterable[str]) -> ListContent | str:
        """The content of these values, or what is wrong with them; may run on any thread."""
        content = content_of(list(entries), self._lists[name].declared)
        if isinstance(content, ListContent):
            _ = content.hash  # worked out here, not within a decision
        return content

    def put(self, change: Change, content: ListContent | None = None) -> None:
        """Take a change over; `content` is what `content` gave for it."""
        if change.list not in self._lists:
            return  # the policy has no such list any more
        self._lists[change.list].entries = dict(self.prepared(change))
        self._remake(change.list, content)

    def _expire(self, now_us: int) -> None:
        for name, one in self._lists.items():
            if one.next_us <= now_us:
                one.entries = {v: e for v, e in one.entries.items() if e.until_us > now_us}
                self._remake(name)

    def _remake(self, name: str, content: ListContent | None = None) -> None:
        one = self._lists[name]
        made = content or content_of(list(one.entries), one.declared)
        # A value that the list cannot hold any more, after another policy, is on no list.
        self._contents[name] = made if isinstance(made, ListContent) else self._sound(one)
        one.next_us = min((e.until_us for e in one.entries.values()), default=NEVER_US)
        self._next_us = min((each.next_us for each in self._lists.values()), default=NEVER_US)
        self._snapshot = {**self._fixed, **self._contents}

    def _sound(self, one: _List) -> ListContent:
        good = [v for v in one.entries if isinstance(content_of([v], one.declared), ListContent)]
        made = content_of(good, one.declared)
        assert isinstance(made, ListContent)
        return made
