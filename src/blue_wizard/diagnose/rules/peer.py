"""Another server of the same network: its port is wired, and its device is up."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause
from blue_wizard.diagnose.rulebook import about
from blue_wizard.text import _

__all__ = ["there"]


@about("server")
def there(case: Case) -> Iterable[Cause]:
    """The port is on, bound, and its device is there and up."""
    path, far = case.path, case.path.far_port
    if far is None:
        return
    start = remedies.hard_reboot(str(far.get("device_id", "")))
    if not far["admin_state_up"] or not far.get("binding:host_id", "?"):
        text = _("Port {port} of {address} is switched off, or on no host.").format(
            port=far["id"], address=path.far_address
        )
        evidence = (
            f"admin_state_up={far['admin_state_up']} binding:host_id={far.get('binding:host_id')} status={far['status']}",
        )
        yield Cause("peer.down", "peer-port", path.network_host, far["id"], text, start, evidence)
        return
    if case.network is None or not case.network.host.root or not case.network.host.links:
        return
    link = case.network.host.links.get(path.far_device)
    if link is not None and link.up:
        return
    text = (_("{device} is not there on {host}.") if link is None else _("{device} on {host} is down.")).format(
        device=path.far_device, host=path.network_host
    )
    yield Cause(
        "peer.down", "peer-port", path.network_host, path.far_device, text, start, (f"ip link show {path.far_device}",)
    )
