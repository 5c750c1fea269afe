"""`host status`: how each compute host stands, by Nova and by the ledger. Reads only."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from blue_wizard.errors import BlueWizardError
from blue_wizard.facts.computes import Service
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Json
from blue_wizard.maintain import mark, site, storage
from blue_wizard.maintain.plan_enter import CLAIM, lock_of
from blue_wizard.reach import openstack
from blue_wizard.reach.ceph_cli import Ceph

__all__ = ["hosts", "state_of"]


def hosts(cloud_name: str) -> list[dict[str, Json]]:
    """All compute hosts: ``{host, zone, state, up, servers, job, reason, noout}``, by name."""
    cloud = openstack.connect(cloud_name)
    ledger = Ledger()
    claims = ledger.claims()
    counts: dict[str, int] = {}
    for server in cloud.list("compute", "/servers/detail?all_tenants=1", "servers"):
        host = server.get("OS-EXT-SRV-ATTR:host") or ""
        counts[host] = counts.get(host, 0) + 1
    held = _leases(cloud_name)
    rows = []
    for service in site.services(cloud):
        holder = ledger.holder(lock_of(cloud_name, service.host))
        state, job = state_of(service, _claimed(claims, cloud_name, service.host), holder)
        rows.append(
            {
                "host": service.host,
                "zone": service.zone,
                "state": state,
                "up": service.up,
                "servers": counts.get(service.host, 0),
                "job": job,
                "reason": service.reason,
                "noout": held.get(service.host),
            }
        )
    return rows


def _leases(cloud: str) -> dict[str, dict[str, Json]]:
    """The flags that jobs have set, by host: ``{bucket, job, until, over}``. Nothing where Ceph is not reached."""
    now = time.time()
    try:
        found = storage.leases(Ceph(cloud))
    except BlueWizardError:
        return {}
    return {
        lease.host: {"bucket": bucket, "job": lease.job, "until": lease.until, "over": lease.over(now)}
        for bucket, lease in found.items()
    }


def _claimed(claims: Iterable[Mapping[str, Any]], cloud: str, host: str) -> str:
    member = f"host:{cloud}/{host}"
    return next((str(c["root"]) for c in claims if c["kind"] == CLAIM and c["member"] == member), "")


def state_of(service: Service, claimed: str, holder: str) -> tuple[str, str]:
    """The state of a host and the job that it is the work of (pure): `holder` has its lock, `claimed` its place in the zone."""
    if holder:
        return "at-work", holder
    if not service.up:
        return "down", claimed
    if service.enabled:
        return "in-service", claimed
    job = mark.job_of(service.reason)
    return ("maintenance", job or claimed) if job or claimed else ("disabled", "")
