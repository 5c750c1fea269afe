"""Rules about the machines of a source: what each finds is told, or keeps a machine from moving. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Rules"]

_T = TypeVar("_T")


class Rules(Generic[_T]):
    """Rules of one kind about machines as their source describes them (`_T`); each registers itself as it is decorated."""

    def __init__(self) -> None:
        self._rules: list[Callable[[_T], Iterator[str]]] = []

    def __call__(self, rule: Callable[[_T], Iterator[str]]) -> Callable[[_T], Iterator[str]]:
        """Register a rule."""
        self._rules.append(rule)
        return rule

    def __iter__(self) -> Iterator[Callable[[_T], Iterator[str]]]:
        """The rules, in the order in which they were registered."""
        return iter(self._rules)

    def findings(self, machine: _T) -> tuple[str, ...]:
        """What the rules find, in the order in which they were registered."""
        return tuple(text for rule in self for text in rule(machine))
