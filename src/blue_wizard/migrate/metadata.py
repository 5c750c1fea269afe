"""What objects carry as metadata: our mark, and what a source says of a machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["KEY", "keyed"]

KEY = "blue_wizard"
"""The metadata key of whatever a step has made: by its value the step finds its object again after a crash."""
_LONGEST_KEY, _LONGEST_VALUE = 200, 255


def keyed(prefix: str, said: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names and values as ``PREFIX:NAME``: Nova takes keys of plain letters only, and then the whole name stands in the value."""
    found: dict[str, list[str]] = {}
    for name, value in said:
        plain = re.sub(r"[^a-zA-Z0-9_:. -]", "_", name)[:_LONGEST_KEY]
        found.setdefault(f"{prefix}:{plain}", []).append(value if plain == name else f"{name}/{value}")
    return {key: ", ".join(values)[:_LONGEST_VALUE] for key, values in found.items()}
