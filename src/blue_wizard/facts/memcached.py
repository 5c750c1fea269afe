"""What a memcached server counts: the lines of its ``stats``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Memcached"]


@dataclass(frozen=True)
class Memcached:
    """Counts since its start, and connections as (now, most)."""

    evictions: int = 0
    hits: int = 0
    misses: int = 0
    connections: tuple[int, int] = (0, 0)
    refused: int = 0
    age_s: int = 0

    @staticmethod
    def parse(text: str) -> Memcached:
        """Its lines. Raises ValueError where there are none."""
        rows = [line.split() for line in text.splitlines()]
        found = {w[1]: w[2] for w in rows if len(w) == 3 and w[0] == "STAT"}
        if "uptime" not in found:
            raise ValueError("no statistics of memcached")

        def number(name: str) -> int:
            return int(float(found.get(name, 0)))

        return Memcached(
            number("evictions"),
            number("get_hits"),
            number("get_misses"),
            (number("curr_connections"), number("max_connections")),
            number("listen_disabled_num"),
            number("uptime"),
        )
