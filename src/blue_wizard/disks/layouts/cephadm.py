"""OSDs that cephadm's orchestrator deploys (Octopus and later).

``orch osd rm --replace`` drains, waits until it is safe, and destroys, keeping id and place (cephadm docs, "Replacing an OSD").
What it does not look at is looked at here: fullness, quorum, other OSDs that are down, the disk's identity, and whether a
service would take the failed disk again.
"""

from __future__ import annotations

from collections.abc import Sequence

from blue_wizard.disks import membership, slot
from blue_wizard.disks.layouts import base as b
from blue_wizard.disks.layouts import layout
from blue_wizard.disks.view import View
from blue_wizard.facts.blockdev import Part
from blue_wizard.jobs.model import Risk, Step
from blue_wizard.text import _

_REEF = 18


@layout
class Cephadm:
    """cephadm."""

    name = "cephadm"

    def detect(self, view: View) -> str:
        """The folder of its daemon."""
        if not view.deployed.folders:
            return ""
        return _("folder {folder}").format(folder=view.deployed.folders[0])

    def problems(self, view: View) -> Sequence[str]:
        """What it can't do."""
        aside = [lv for lv in view.disks.volumes if lv.tags.get("ceph.osd_id") == str(view.osd.id)]
        if any(lv.tags.get("ceph.type") in {"db", "wal"} for lv in aside):
            return [_("its DB is on another device: cephadm would not give it the same slot")]
        return []

    def aside(self, view: View) -> Sequence[Part]:
        """Nothing: the orchestrator would not give it the same slot."""
        return []

    def steps(self, view: View) -> tuple[Step, ...]:
        """Let the orchestrator drain and destroy; swap; let it deploy with the same id."""
        n = str(view.osd.id)
        service = f"osd.{view.osd.metadata['osdspec_affinity']}" if view.osd.metadata.get("osdspec_affinity") else ""
        hold = service and view.cluster.number >= _REEF
        mine = [lv for lv in view.disks.volumes if lv.tags.get("ceph.osd_fsid") == view.osd.uuid]
        found = []
        if hold:
            found.append(
                b.change(
                    view,
                    "hold",
                    _("let service {service} be unmanaged").format(service=service),
                    _("it would deploy on the failed disk again as soon as that is empty"),
                    [b.ceph("orch", "set-unmanaged", service)],
                    [_managed(service, "true")],
                    back=[b.ceph("orch", "set-managed", service)],
                    back_until=[_managed(service, "false")],
                )
            )
        lost = _("POINT OF NO RETURN: the orchestrator has destroyed osd.{id}").format(id=n)
        found += [
            b.change(
                view,
                "drain",
                _("let the orchestrator drain osd.{id} and keep its id").format(id=n),
                _("it marks it out, waits until no PG needs it, stops it and destroys it"),
                [b.ceph("orch", "osd", "rm", n, "--replace")],
                [{"is": "osd.destroyed"}],
                back=[b.ceph("orch", "osd", "rm", "stop", n, ok="any")],
                wait_s=86400,
                risk=Risk.HIGH,
                seconds=300,
                lost=lost,
            ),
            *(x for lv in mine[:1] for x in slot.release(view, lv.vg, lv.name)),
            *slot.detach(view),
            *slot.swap(view),
        ]
        found.append(
            b.change(
                view,
                "zap",
                _("empty the disk"),
                _("the OSD is made anew on the same disk")
                if view.rebuild
                else _("the orchestrator takes none that holds something; a blank one is left as it is"),
                [b.ceph("orch", "device", "zap", view.host, "<new-disk>", "--force", timeout_s=300)],
                [
                    b.run_check(
                        "sh", "-c", 'test -z "$(wipefs -n -p "$1" | grep -v "^#")"', "sh", "<new-disk>", status=[0]
                    )
                ],
                guard="safe-to-destroy",
                risk=Risk.HIGH,
                lost=_("POINT OF NO RETURN: the data of osd.{id} is wiped here").format(id=n) if view.rebuild else "",
            )
        )
        found.append(
            b.change(
                view,
                "create",
                _("let the orchestrator make osd.{id} on the disk").format(id=n),
                _("it takes a destroyed id of the same host"),
                [b.ceph("orch", "daemon", "add", "osd", f"{view.host}:<new-disk>", timeout_s=600)],
                [{"is": "osd.up", "not_uuid": view.osd.uuid}],
                wait_s=600,
                risk=Risk.LOW,
                seconds=120,
                lost=_("the OSD is a new one from here on"),
            )
        )
        if hold:
            found.append(
                b.change(
                    view,
                    "manage",
                    _("let service {service} be managed again").format(service=service),
                    _("as it was before"),
                    [b.ceph("orch", "set-managed", service)],
                    [_managed(service, "false")],
                )
            )
        return (*found, membership.compare(view), membership.fetch_in(view), membership.refill(view))


def _managed(service: str, unmanaged: str) -> b.Condition:
    """Whether a service is unmanaged, by the orchestrator's own list."""
    return {"is": "orch.unmanaged", "service": service, "value": unmanaged}
