"""Cinder, Glance and Keystone."""

from __future__ import annotations

from blue_wizard.facts.compute import Server, Servers
from blue_wizard.facts.identity import Endpoint, Endpoints, User, Users
from blue_wizard.facts.volume import (
    Backup,
    Backups,
    Image,
    Images,
    Snapshot,
    Snapshots,
    Volume,
    VolumePool,
    VolumePools,
    Volumes,
    VolumeService,
    VolumeServices,
    VolumeType,
    VolumeTypes,
)

from .base import DAY, HOUR, NOW, case

_RBD = "ceph:/etc/ceph/ceph.conf:fsid:cinder:volumes"

case(
    "cinder.service-down",
    bad=[
        VolumeServices(
            (
                VolumeService("cinder-volume", "ctl1@rbd", up=False),
                VolumeService("cinder-volume", "ctl2@rbd"),
                VolumeService("cinder-scheduler", "ctl1", up=False),
            )
        )
    ],
    finds={"cinder-volume@ctl1@rbd": "warning", "cinder-scheduler@ctl1": "critical"},
    good=[
        VolumeServices(
            (VolumeService("cinder-volume", "ctl1@rbd"), VolumeService("cinder-backup", "x", enabled=False, up=False))
        )
    ],
)
case(
    "cinder.backend-down",
    bad=[
        VolumePools(
            (
                VolumePool("ctl1@rbd#fast", state="down"),
                VolumePool("ctl1@rbd#slow", state="down"),
                VolumePool("ctl1@lvm#x", state="down"),
            )
        ),
    ],
    finds=["ctl1@lvm", "ctl1@rbd"],
    good=[VolumePools((VolumePool("ctl1@rbd#rbd"),))],
)
case(
    "cinder.pool-full",
    bad=[
        VolumePools(
            (
                VolumePool("a@rbd#p", total=100, free=15, location=_RBD),
                VolumePool("b@rbd#p", total=100, free=15, location=_RBD),
                VolumePool("c@lvm#p", total=100, free=3),
            )
        )
    ],
    finds={"a@rbd#p": "warning", "c@lvm#p": "critical"},
    good=[VolumePools((VolumePool("a", total=100, free=50), VolumePool("b"), VolumePool("c", total=0, free=0)))],
)
case(
    "cinder.oversubscribed",
    bad=[VolumePools((VolumePool("a", total=100, provisioned=1900, oversubscription=20, thin=True),))],
    finds=["a"],
    good=[
        VolumePools(
            (
                VolumePool("a", total=100, provisioned=500, oversubscription=20, thin=True),
                VolumePool("b", total=100, provisioned=99, oversubscription=1),
            )
        )
    ],
)
case(
    "cinder.volume-error",
    bad=[Volumes((Volume("v", status="error_deleting"), Volume("w")))],
    finds=["v"],
    good=[Volumes((Volume("w"), Volume("x", status="deleting")))],
)
case(
    "cinder.volume-stuck",
    bad=[Volumes((Volume("v", status="detaching", updated=NOW - HOUR),))],
    finds=["v"],
    good=[Volumes((Volume("v", status="detaching", updated=NOW - 60), Volume("w", updated=NOW - DAY)))],
)
case(
    "cinder.attachment-mismatch",
    bad=[Volumes((Volume("v", status="in-use"), Volume("w", servers=("s",))))],
    finds=["v", "w"],
    good=[Volumes((Volume("v", status="in-use", servers=("s",)), Volume("w"), Volume("x", status="attaching")))],
)
case(
    "cinder.snapshot-trouble",
    bad=[
        Snapshots(
            (Snapshot("a", "v", status="error_deleting"), Snapshot("b", "v", status="creating", updated=NOW - HOUR))
        )
    ],
    finds=["a", "b"],
    good=[Snapshots((Snapshot("a", "v"), Snapshot("b", "v", status="creating", updated=NOW - 9)))],
)
case(
    "cinder.backup-failed",
    bad=[Backups((Backup("b", "v", "error", NOW - HOUR, "no space"), Backup("a", "v", "available", NOW - DAY)))],
    finds=["b"],
    good=[
        Backups(
            (
                Backup("b", "v", "error", NOW - DAY),
                Backup("c", "v", "available", NOW - HOUR),
                Backup("d", "w", "error", NOW - 30 * DAY),
            )
        )
    ],
)
case(
    "cinder.orphan-volumes",
    bad=[
        Volumes((Volume("v", host="old@rbd#rbd"), Volume("w", host="ctl1@rbd#rbd"))),
        VolumePools((VolumePool("ctl1@rbd#rbd"),)),
    ],
    finds=["old@rbd#rbd"],
    good=[
        Volumes((Volume("w", host="ctl1@rbd#rbd"), Volume("x"), Volume("y", host="ctl1@rbd"))),
        VolumePools((VolumePool("ctl1@rbd#rbd"),)),
    ],
)
case(
    "cinder.type-without-backend",
    bad=[VolumeTypes((VolumeType("t", "fast", "nvme"),)), VolumePools((VolumePool("p", "rbd"),))],
    finds=["t"],
    good=[
        VolumeTypes(
            (
                VolumeType("t", "rbd", "rbd"),
                VolumeType("d", "__DEFAULT__"),
                VolumeType("p", "mine", "gone", public=False),
            )
        ),
        VolumePools((VolumePool("p", "rbd"),)),
    ],
)
case(
    "cinder.frozen",
    bad=[
        VolumeServices(
            (
                VolumeService("cinder-volume", "a", frozen=True),
                VolumeService("cinder-volume", "b", replication="failed-over"),
            )
        )
    ],
    finds=["a", "b"],
    good=[VolumeServices((VolumeService("cinder-volume", "a", replication="disabled"),))],
)
case(
    "cinder.idle-volumes",
    bad=[Volumes((Volume("v", updated=NOW - 40 * DAY),))],
    finds=["v"],
    good=[Volumes((Volume("v", updated=NOW - DAY), Volume("w", status="in-use", updated=NOW - 40 * DAY)))],
)
case(
    "glance.image-stuck",
    bad=[Images((Image("i", status="queued", updated=NOW - 2 * DAY), Image("k", status="killed", updated=NOW)))],
    finds=["i", "k"],
    good=[Images((Image("i", status="queued", updated=NOW - HOUR), Image("j")))],
)
case(
    "glance.image-gone",
    bad=[Images((Image("i", status="deactivated"),)), Servers((Server("s", image="i"), Server("t", image="gone")))],
    finds=["i", "gone"],
    good=[Images((Image("i"),)), Servers((Server("s", image="i"), Server("volume-boot")))],
)
case(
    "glance.no-hash",
    bad=[Images((Image("i", size=5, hashed=False),))],
    finds=["i"],
    good=[Images((Image("i", size=5), Image("empty", hashed=False)))],
)


def _endpoint(
    id_: str, interface: str = "public", answer: int = 200, took_s: float = 0.1, url: str = "https://x"
) -> Endpoint:
    return Endpoint(
        id_, "compute", "nova", interface, "R", url, answer=answer, took_s=took_s, error="" if answer else "refused"
    )


case(
    "keystone.endpoint-silent",
    bad=[
        Endpoints(
            (
                _endpoint("a"),
                _endpoint("b", "internal", 503),
                Endpoint("c", "image", "glance", "public", "R", "http://y", answer=0),
            )
        )
    ],
    finds={"b": "warning", "c": "critical"},
    good=[
        Endpoints(
            (
                _endpoint("a", answer=300),
                _endpoint("b", answer=401),
                Endpoint("c", "x", "x", "public", "R", "u", enabled=False, answer=0),
            )
        )
    ],
)
case(
    "keystone.endpoint-slow",
    bad=[Endpoints((_endpoint("a", took_s=4.0),))],
    finds=["a"],
    good=[Endpoints((_endpoint("a"), _endpoint("b", answer=0, took_s=5.0)))],
)
case(
    "keystone.duplicate-endpoint",
    bad=[Endpoints((_endpoint("a"), _endpoint("b", url="https://old")))],
    finds=["compute R public"],
    good=[Endpoints((_endpoint("a"), _endpoint("b", "internal")))],
)
case(
    "keystone.plain-http",
    bad=[Endpoints((_endpoint("a", url="http://x"),))],
    finds=["a"],
    good=[Endpoints((_endpoint("a"), _endpoint("b", "internal", url="http://x")))],
)
case(
    "keystone.password-expiry",
    bad=[Users((User("u", "nova", expires=NOW + 3 * DAY), User("w", "cinder", expires=NOW - DAY)))],
    finds=["u", "w"],
    good=[
        Users(
            (
                User("u", "nova"),
                User("w", "old", enabled=False, expires=NOW - DAY),
                User("x", "y", expires=NOW + 90 * DAY),
            )
        )
    ],
)
