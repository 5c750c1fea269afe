"""Compute hosts whose hypervisor is a fake: a fleet to try campaigns on. Nova and Placement are the lab's real ones."""

PREFIX = "fleet-"
EACH = 10
"""How many servers there are for each host."""


def names(count: int) -> list[str]:
    """The hosts' names."""
    return [f"{PREFIX}{n:02}" for n in range(1, count + 1)]
