"""What a MariaDB server says of itself: its status and variables, one name and value a line. Pure parser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["DatabaseServer"]


@dataclass(frozen=True)
class DatabaseServer:
    """``SHOW GLOBAL STATUS`` and ``SHOW GLOBAL VARIABLES`` by name in small letters, and transactions open for long, as
    (id, seconds)."""

    status: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    transactions: tuple[tuple[str, int], ...] = ()

    @property
    def galera(self) -> bool:
        """Whether it is a member of a Galera cluster."""
        return self.variables.get("wsrep_on", "OFF").upper() in {"ON", "1"}

    def number(self, name: str) -> float:
        """A number of the status or the variables, 0.0 where there is none."""
        try:
            return float(self.status.get(name, self.variables.get(name, "0")))
        except ValueError:
            return 0.0

    @staticmethod
    def parse(text: str) -> DatabaseServer:
        """Lines ``KIND<tab>NAME<tab>VALUE``; KIND is status, variable or transaction. Raises ValueError where there are none."""
        kinds: dict[str, dict[str, str]] = {"status": {}, "variable": {}, "transaction": {}}
        for line in text.splitlines():
            words = line.split("\t")
            if len(words) >= 2 and words[0] in kinds:
                kinds[words[0]][words[1].lower()] = words[2] if len(words) > 2 else ""
        if not kinds["status"]:
            raise ValueError("no status of a MariaDB server")
        return DatabaseServer(
            kinds["status"],
            kinds["variable"],
            tuple((name, int(float(value))) for name, value in kinds["transaction"].items()),
        )
