"""Which losses of hosts are tried."""

from __future__ import annotations

import copy

from blue_wizard.stats import headroom
from blue_wizard.stats.collect import Snapshot
from blue_wizard.stats.platform import Platform

from .clouds import recorded


def _many(hosts: int) -> Snapshot:
    snapshot = recorded()
    rows = snapshot.rows
    provider, hypervisor, service = rows["providers"][0], rows["hypervisors"][0], rows["compute_services"][0]
    for number in range(hosts):
        name = f"x{number}"
        more = copy.deepcopy(provider) | {"uuid": name, "root": name, "name": name}
        more["resources"]["VCPU"]["used"] = number % 30
        more["resources"]["MEMORY_MB"]["used"] = 1000 - number
        rows["providers"].append(more)
        rows["hypervisors"].append({**hypervisor, "hypervisor_hostname": name, "service": {"host": name}})
        rows["compute_services"].append({**service, "host": name})
    return snapshot


def test_a_small_cloud_is_tried_whole() -> None:
    platform = Platform(_many(20))
    assert {loss.host for loss in headroom.losses(platform)} == {h.name for h in platform.hosts}


def test_of_a_big_one_those_that_hurt_most() -> None:
    platform = Platform(_many(60))
    tried = {loss.host for loss in headroom.losses(platform)}
    assert len(tried) <= 10
    assert {"x29", "x59"} <= tried, "the most VCPUs"
    assert {"x0", "x1"} <= tried, "the most memory"
    assert all(loss.fits for loss in headroom.losses(platform))
