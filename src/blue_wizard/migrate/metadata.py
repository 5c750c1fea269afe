"""What a source says of a machine, as metadata of a server. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["keyed"]

_LONGEST_KEY, _LONGEST_VALUE = 200, 255


def keyed(prefix: str, said: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names and values as ``PREFIX:NAME``: Nova takes keys of plain letters only, and then the whole name stands in the value."""
    found: dict[str, list[str]] = {}
    for name, value in said:
        plain = re.sub(r"[^a-zA-Z0-9_:. -]", "_", name)[:_LONGEST_KEY]
        found.setdefault(f"{prefix}:{plain}", []).append(value if plain == name else f"{name}/{value}")
    return {key: ", ".join(values)[:_LONGEST_VALUE] for key, values in found.items()}
