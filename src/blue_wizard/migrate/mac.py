"""A MAC address as people write it, in any of the usual ways, and as the clouds write it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints

__all__ = ["Mac"]


def _plain(value: Any) -> Any:
    return value.lower().replace("-", ":") if isinstance(value, str) else value


Mac = Annotated[str, BeforeValidator(_plain), StringConstraints(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
"""Six bytes in hex, with colons: ``00-50-56-AA-00-01`` becomes ``00:50:56:aa:00:01``."""
