"""What one origin knows of one host."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Entry"]


@dataclass(frozen=True)
class Entry:
    """A host as its origins have it; None is what they do not say.

    `runtime` is ``docker`` or ``podman`` where containers run the services. `sudo`: commands that need root go through it.
    `system` is ``windows`` where an origin says that it runs that; None is a Linux host.
    """

    name: str
    origins: tuple[str, ...]
    address: str | None = None
    user: str | None = None
    port: int | None = None
    jump: str | None = None
    sudo: bool | None = None
    groups: tuple[str, ...] = ()
    runtime: str | None = None
    system: str | None = None
