"""What PowerShell makes of lists when it writes JSON (`ConvertTo-Json` of Windows PowerShell 5.1)."""

from __future__ import annotations

from typing import Any

__all__ = ["listed"]


def listed(value: Any) -> list[Any]:
    """A list, in each of the forms in which PowerShell 5.1 writes one (pure)."""
    if isinstance(value, dict) and set(value) == {"value", "Count"}:
        value = value["value"]
    found = value if isinstance(value, list) else [value]
    # Of nothing PowerShell makes an array with a null in it.
    return [x for x in found if x is not None]
