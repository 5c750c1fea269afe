"""What a rule is, and where all rules are found."""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
from collections.abc import Callable, Iterable

from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Finding

__all__ = ["Rule", "about", "rule", "rules"]

Rule = Callable[[Case], Iterable[Cause | Finding]]
_registry: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    """Register a rule: it is given a case, and yields what it proves. It yields nothing about hosts that said nothing."""
    _registry[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def about(*purposes: str) -> Callable[[Rule], Rule]:
    """Register a rule for some paths alone: those whose `purpose` is one of these ("" is DHCP)."""

    def register(function: Rule) -> Rule:
        @functools.wraps(function)
        def asked(case: Case) -> Iterable[Cause | Finding]:
            return function(case) if case.path.purpose in purposes else ()

        return rule(asked)

    return register


def rules() -> tuple[Rule, ...]:
    """All rules: those of `diagnose/rules/` by file, then those of `BLUE_WIZARD_PLUGINS`."""
    from blue_wizard.diagnose import rules as folder

    for module in sorted(pkgutil.iter_modules(folder.__path__), key=lambda m: m.name):
        importlib.import_module(f"{folder.__name__}.{module.name}")
    for name in filter(None, os.environ.get("BLUE_WIZARD_PLUGINS", "").split(",")):
        importlib.import_module(name)
    return tuple(_registry.values())
