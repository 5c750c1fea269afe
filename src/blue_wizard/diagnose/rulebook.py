"""What a rule is, and where all rules are found."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable

from blue_wizard import plugins
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Finding

__all__ = ["Rule", "about", "in_ovn", "rule", "rules", "with_ovn"]

Rule = Callable[[Case], Iterable[Cause | Finding]]
_registry: dict[str, Rule] = {}


def with_ovn(function: Rule) -> Rule:
    """Register a rule for every port: it is given a case, and yields what it proves, but nothing about hosts that said nothing."""
    _registry[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def rule(function: Rule) -> Rule:
    """Register a rule that knows no OVN: where that answers DHCP, there are neither the agents' flows nor their servers."""
    return with_ovn(_where(lambda case: not case.path.answered_by_ovn, function))


def in_ovn(function: Rule) -> Rule:
    """Register a rule for ports whose DHCP requests OVN answers."""
    return with_ovn(_where(lambda case: case.path.answered_by_ovn, function))


def _where(fits: Callable[[Case], bool], function: Rule) -> Rule:
    @functools.wraps(function)
    def asked(case: Case) -> Iterable[Cause | Finding]:
        return function(case) if fits(case) else ()

    return asked


def about(*purposes: str, ovn: bool = False) -> Callable[[Rule], Rule]:
    """Register a rule for some paths alone: those whose `purpose` is one of these ("" is DHCP). With `ovn` as `with_ovn`."""
    return lambda function: (with_ovn if ovn else rule)(_where(lambda case: case.path.purpose in purposes, function))


def rules() -> tuple[Rule, ...]:
    """All rules: those of `diagnose/rules/` by file, then those of `BLUE_WIZARD_PLUGINS`."""
    from blue_wizard.diagnose import rules as folder

    for module in sorted(pkgutil.iter_modules(folder.__path__), key=lambda m: m.name):
        importlib.import_module(f"{folder.__name__}.{module.name}")
    plugins.load_named()
    return tuple(_registry.values())
