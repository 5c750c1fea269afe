from __future__ import annotations

import pytest

from blue_wizard.migrate.invariant import judge
from blue_wizard.migrate.machine import Power

ON, OFF, UNKNOWN = Power.ON, Power.OFF, Power.UNKNOWN
BEFORE, AFTER = ("port.0", "server", "off"), ("port.0", "server", "off", "import.0")


@pytest.mark.parametrize(
    ("was", "now", "begun", "broken"),
    [
        (ON, ON, BEFORE, False),
        (ON, OFF, BEFORE, False),
        (ON, OFF, AFTER, False),
        (ON, ON, AFTER, True),
        (ON, ON, (*BEFORE, "stage.0"), True),
        (OFF, OFF, BEFORE, False),
        (OFF, ON, ("port.0",), True),
        (UNKNOWN, ON, BEFORE, False),
        (OFF, UNKNOWN, AFTER, False),
    ],
)
def test_a_machine_that_is_copied_has_to_be_off(was: Power, now: Power, begun: tuple[str, ...], broken: bool) -> None:
    assert bool(judge("shop", now, was, begun)) is broken
