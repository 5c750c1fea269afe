"""Hosts that could not be looked at. Nothing is said to be lost there."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose.case import Case, Side
from blue_wizard.diagnose.model import Cause
from blue_wizard.diagnose.rulebook import with_ovn
from blue_wizard.diagnose.view import HostView
from blue_wizard.text import _

__all__ = ["reached", "switch"]


def _shown(host: HostView) -> str:
    return ", ".join(f"{p['pid']} {p['state']}" for p in host.vswitchd) or "-"


def _unknown(code: str, side: Side, case: Case, message: str, remedy: str, evidence: tuple[str, ...]) -> Cause:
    hop = "tap" if side is case.compute else case.path.far_hop
    return Cause(
        code, hop, side.host.name, side.host.name or case.api.server["name"], message, remedy, evidence, unknown=True
    )


@with_ovn
def reached(case: Case) -> Iterable[Cause]:
    """No way to the host, or not enough rights on it."""
    for side in case.sides:
        host = side.host
        if not host.name:
            if side is case.compute and case.api.server["status"] == "ACTIVE":
                text = _("The API does not tell on which host the server is.")
                remedy = _("Use an account that may see hosts (an administrator's) in clouds.yaml.")
                yield _unknown("host.unreachable", side, case, text, remedy, ("OS-EXT-SRV-ATTR:host: -",))
            continue
        if not host.reached:
            remedy = host.hint or _("Check with: blue-wizard doctor. What could be looked at elsewhere is reported.")
            text = _("{host} could not be looked at.").format(host=host.name)
            yield _unknown("host.unreachable", side, case, text, remedy, (host.why,) if host.why else ())
        elif not host.root:
            text = _("{host} could not be looked at with root's rights.").format(host=host.name)
            remedy = _("Set sudo: true for it in the configuration, or log in as root.")
            yield _unknown("host.privilege", side, case, text, remedy, (host.raw("ovs")["err"].strip()[:200],))


@with_ovn
def switch(case: Case) -> Iterable[Cause]:
    """The switch's database or daemon does not answer (ovs-vsctl talks to the one, ovs-appctl and ovs-ofctl to the other)."""
    for side in case.sides:
        host = side.host
        if not host.reached or not host.root or case.path.linuxbridge:
            continue
        database = host.raw("ovs")
        hop, lost = side.br_int, "" if side is case.compute else case.path.far_hop
        if database["rc"] == 127:
            text = _("Open vSwitch's tools are neither on {host} nor in a container of a known name.").format(
                host=host.name
            )
            yield _unknown("host.no-tools", side, case, text, _("Install openvswitch-switch's tools there."), ())
        elif database["rc"] != 0:
            # The switch goes on without it; what it was told can't be read.
            yield Cause(
                "ovs.db-down",
                hop,
                host.name,
                "ovsdb-server",
                _("The database of Open vSwitch on {host} does not answer: nothing can be told of its ports.").format(
                    host=host.name
                ),
                _("systemctl restart openvswitch-switch (or ovsdb-server, container openvswitch_db) on {host}.").format(
                    host=host.name
                ),
                (database["err"].strip()[-300:],),
                lost_at=lost,
                unknown=True,
            )
        elif not host.daemon and host.switch and side.integration in host.switch.bridges:
            yield Cause(
                "ovs.vswitchd-down",
                hop,
                host.name,
                "ovs-vswitchd",
                _("The daemon of Open vSwitch on {host} does not answer: what is not in its cache is lost.").format(
                    host=host.name
                ),
                _(
                    "systemctl restart openvswitch-switch (or ovs-vswitchd, container openvswitch_vswitchd) on {host}."
                ).format(host=host.name),
                (host.raw("daemon")["err"].strip()[-300:], f"processes: {_shown(host)}"),
                lost_at=lost,
                # One that runs and did not answer in time may only be busy, as the whole host may be.
                unknown=any(p["state"] not in {"T", "t", "Z", "X"} for p in host.vswitchd),
            )
