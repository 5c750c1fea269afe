"""Every state of a server has a verb, or a cause and a way out."""

from __future__ import annotations

from typing import Any

import pytest

from blue_wizard.maintain.model import Assessment, Port, Verb, Wishes
from blue_wizard.maintain.verbs import assess, seconds_of

from .fakes import server


def _assess(wishes: Wishes | None = None, *, dead: bool = False, vnic: str = "normal", **values: Any) -> Assessment:
    ports = (Port("p1", "n1", ("10.0.0.1",), vnic),)
    return assess(server(**values), ports, wishes or Wishes(), dead=dead)


@pytest.mark.failure("b14", "b16", "b19", "b20")
@pytest.mark.parametrize(
    ("values", "verb"),
    [
        ({}, Verb.LIVE),
        ({"vm_state": "paused"}, Verb.LIVE),
        ({"vm_state": "stopped"}, Verb.COLD),
        ({"vm_state": "suspended"}, Verb.BLOCKED),
        ({"vm_state": "rescued"}, Verb.BLOCKED),
        ({"vm_state": "resized"}, Verb.BLOCKED),
        ({"vm_state": "shelved"}, Verb.BLOCKED),
        ({"vm_state": "error"}, Verb.BLOCKED),
        ({"vm_state": "building"}, Verb.BLOCKED),
        ({"vm_state": "soft-delete"}, Verb.BLOCKED),
        ({"vm_state": "unheard-of"}, Verb.BLOCKED),
        ({"task_state": "rebooting"}, Verb.BLOCKED),
        ({"locked": True}, Verb.BLOCKED),
        ({"vnic": "direct"}, Verb.BLOCKED),
        ({"config_drive": True}, Verb.LIVE),
        *[
            ({"extra_specs": specs}, Verb.BLOCKED)
            for specs in (
                {"pci_passthrough:alias": "gpu:1"},
                {"hw:tpm_version": "2.0"},
                {"accel:device_profile": "fpga"},
                {"hw:mem_encryption": "True"},
                {"hw:pmem": "6GB"},
                {"resources:VGPU": "1"},
            )
        ],
        ({"extra_specs": {"hw:tpm_version": "2.0", "hw:tpm_secret_security": "host"}}, Verb.LIVE),
        ({"vm_state": "stopped", "extra_specs": {"pci_passthrough:alias": "gpu:1"}}, Verb.COLD),
        ({"vm_state": "stopped", "extra_specs": {"accel:device_profile": "fpga"}}, Verb.BLOCKED),
        ({"metadata": {"maintenance_action": "leave"}}, Verb.LEAVE),
        # Its owner allows a stop, but nothing asks for one.
        ({"metadata": {"maintenance_action": "stop"}}, Verb.LIVE),
        ({"metadata": {"maintenance_action": "stop"}, "vnic": "direct"}, Verb.STOP),
    ],
)
def test_verb(values: dict[str, Any], verb: Verb) -> None:
    found = _assess(**values)
    assert found.verb is verb
    assert bool(found.why and found.remedy) == (verb is Verb.BLOCKED)


def test_consents_of_the_operator() -> None:
    assert _assess(Wishes(stop=frozenset({"s1"}))).verb is Verb.STOP
    assert _assess(Wishes(leave=frozenset({"s1"})), vm_state="suspended").verb is Verb.LEAVE
    assert _assess(Wishes(leave_stopped=True), vm_state="stopped").verb is Verb.LEAVE
    assert _assess(Wishes(move_locked=True), locked=True).verb is Verb.LIVE
    # A consent for another server is none.
    assert _assess(Wishes(stop=frozenset({"s2"})), vnic="direct").verb is Verb.BLOCKED


@pytest.mark.parametrize(
    ("state", "verb"),
    [("active", Verb.EVACUATE), ("stopped", Verb.EVACUATE), ("error", Verb.EVACUATE), ("suspended", Verb.BLOCKED)],
)
def test_a_dead_host_is_evacuated(state: str, verb: Verb) -> None:
    assert _assess(dead=True, vm_state=state).verb is verb


@pytest.mark.failure("b32")
def test_only_what_is_carried_costs_time() -> None:
    small, large = server(ram=512, disk=0), server(ram=1 << 16, disk=0)
    assert seconds_of(large, Verb.LIVE) > seconds_of(small, Verb.LIVE)
    assert seconds_of(large, Verb.COLD) == seconds_of(small, Verb.COLD)
