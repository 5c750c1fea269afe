"""Which verb fits a server, and why none does. Pure.

The rules are those of Nova's API reference and of nova/compute/api.py (`check_instance_state` of live_migrate, resize and
evacuate): live needs ACTIVE or PAUSED, cold needs ACTIVE or SHUTOFF, an evacuation ACTIVE, SHUTOFF or ERROR, and all of them
no task under way. What a live migration refuses besides is in nova/conductor/tasks/live_migrate.py, in the libvirt
driver's checks, and in the `block_*` decorators of nova/compute/api.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blue_wizard.facts.servers import Server
from blue_wizard.maintain.model import Assessment, Port, Verb, Wishes
from blue_wizard.text import _

__all__ = ["CONSENT", "STUCK", "assess", "seconds_of"]

CONSENT = "maintenance_action"
"""The metadata key by which a server's owner consents: ``stop``, ``leave``, or ``live``, which forbids both."""

STUCK = "maintenance_stuck"
"""The metadata key by which a server's owner consents (``force``) that a migration that does not converge is forced to an end."""

_RATE = 100 * 1024  # KiB per second: what a link of 1 Gbit/s carries
_BASE_S = {Verb.LIVE: 10.0, Verb.COLD: 25.0, Verb.STOP: 15.0, Verb.EVACUATE: 30.0}


def assess(server: Server, ports: Sequence[Port], wishes: Wishes, *, dead: bool) -> Assessment:
    """The verb of a server, without its destination. `dead`: its host is down."""
    owner = server.metadata.get(CONSENT, "")
    if server.id in wishes.leave or owner == "leave":
        return Assessment(server, Verb.LEAVE, _("stays with consent, and goes down with the host"))
    if dead:
        return _evacuate(server)
    if server.task_state:
        return _blocked(
            server,
            _("it is busy: {task}").format(task=server.task_state),
            _("wait until that is over, then plan again"),
        )
    if server.locked and not wishes.move_locked:
        return _blocked(
            server,
            _("it is locked by somebody"),
            _("openstack server unlock {id}, or say --move-locked").format(id=server.id),
        )
    if server.vm_state == "active" and (server.id in wishes.stop or (owner == "stop" and _no_live(server, ports))):
        return _with_time(Assessment(server, Verb.STOP, _("is shut down with consent, and started again on leave")))
    if server.vm_state in {"active", "paused"}:
        reason = _no_live(server, ports)
        if not reason:
            force = server.id in wishes.force or server.metadata.get(STUCK) == "force"
            # As a CD-ROM it can't be written by a block migration; Nova copies it beforehand.
            why = _("its config drive is carried by SSH from host to host") if server.config_drive else ""
            return replace(_with_time(Assessment(server, Verb.LIVE, why)), force=force)
        remedy = _("with its owner's consent: --stop {id}").format(id=server.id)
        return _blocked(server, reason, remedy if server.vm_state == "active" else _leave(server))
    if server.vm_state == "stopped":
        if wishes.leave_stopped:
            return Assessment(server, Verb.LEAVE, _("is off, and stays"))
        reason = _no_cold(server)
        return _blocked(server, reason, _leave(server)) if reason else _with_time(Assessment(server, Verb.COLD))
    return _blocked(server, *_state(server))


def _evacuate(server: Server) -> Assessment:
    if server.vm_state in {"active", "stopped", "error"} and not server.task_state:
        return _with_time(Assessment(server, Verb.EVACUATE, _("its host is dead")))
    text = _("it is {state}{task}, which can't be evacuated")
    task = f" ({server.task_state})" if server.task_state else ""
    return _blocked(
        server,
        text.format(state=server.vm_state, task=task),
        _("openstack server set --state error {id}").format(id=server.id),
    )


def _blocked(server: Server, why: str, remedy: str) -> Assessment:
    return Assessment(server, Verb.BLOCKED, why, remedy)


def _leave(server: Server) -> str:
    return _("with its owner's consent: --leave {id}").format(id=server.id)


def _state(server: Server) -> tuple[str, str]:
    """Why a state has no verb in Nova, and the way out of it."""
    known = {
        "suspended": (_("it is SUSPENDED: Nova moves no suspended server"), "openstack server resume {id}"),
        "rescued": (_("it is in RESCUE: Nova moves no rescued server"), "openstack server unrescue {id}"),
        "resized": (
            _("a resize or cold migration waits for its confirmation"),
            "openstack server resize confirm {id}",
        ),
        "shelved": (_("it is SHELVED and still has its disk here"), "openstack server shelve offload {id}"),
        "error": (_("it is in ERROR"), "openstack server show {id}"),
        "building": (_("it is being built"), ""),
        "soft-delete": (_("it is deleted, and can still be restored"), "openstack server delete --force {id}"),
    }
    why, command = known.get(
        server.vm_state, (_("Nova moves no server that is {state}").format(state=server.vm_state), "")
    )
    remedy = _("{command}, or with its owner's consent: --leave {id}")
    return why, remedy.format(command=command.format(id=server.id), id=server.id) if command else _leave(server)


def _no_live(server: Server, ports: Sequence[Port]) -> str:
    """Why a live migration is refused; "" when nothing speaks against it."""
    specs = server.extra_specs
    if specs.get("pci_passthrough:alias"):
        return _("it has a PCI device of its host ({device})").format(device=specs["pci_passthrough:alias"])
    if specs.get("hw:tpm_version") and specs.get("hw:tpm_secret_security") != "host":
        return _("it has a virtual TPM, whose secret stays on the host")
    if specs.get("accel:device_profile"):
        return _("it has an accelerator ({device})").format(device=specs["accel:device_profile"])
    if specs.get("hw:mem_encryption", "").lower() == "true":
        return _("its memory is encrypted by the host's CPU")
    if specs.get("hw:pmem"):
        return _("it has persistent memory of the host")
    if any(name.startswith(("resources:VGPU", "resources:CUSTOM_VGPU")) for name in specs):
        return _("it has a virtual GPU")
    direct = [p for p in ports if p.vnic not in {"normal", "virtio-forwarder", "macvtap"}]
    if direct:
        return _("port {port} is wired straight to the host ({kind})").format(port=direct[0].id, kind=direct[0].vnic)
    return ""


def _no_cold(server: Server) -> str:
    if server.extra_specs.get("accel:device_profile"):
        return _("it has an accelerator ({device})").format(device=server.extra_specs["accel:device_profile"])
    return ""


def _with_time(found: Assessment) -> Assessment:
    return replace(found, seconds=seconds_of(found.server, found.verb))


def seconds_of(server: Server, verb: Verb) -> float:
    """About how long it takes (seconds): a base, and what has to be carried at 100 MiB/s."""
    carried = (server.ram if verb is Verb.LIVE else 0) * 1024 + (
        server.disk << 20 if verb in {Verb.LIVE, Verb.COLD} else 0
    )
    return _BASE_S.get(verb, 0.0) + carried / _RATE
