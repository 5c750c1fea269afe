"""What Neutron is asked for: the addresses that are kept, and those that are let pass beside them."""

from __future__ import annotations

from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.targets import ports
from blue_wizard.migrate.targets.ports import CreatePort

from .hands import Hands

ARGS: dict[str, Any] = {"cloud": "c", "name": "shop-0", "network_id": "n", "security_groups": ["g1"]}
KEPT = {"mac": "00:50:56:aa:00:01", "fixed_ip": "10.0.0.5", "subnet_id": "s1", "allowed_ips": ["10.0.0.6", "10.0.0.77"]}


class Neutron:
    """Gives a port what was asked for, and else what it likes."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def post(self, _service: str, _path: str, body: dict[str, Any]) -> Any:
        self.asked = body["port"]
        chosen = {"mac_address": "fa:16:3e:00:00:01", "fixed_ips": [{"ip_address": "10.0.0.200"}]}
        return {"port": {"id": "p", **chosen, **self.asked}}


@pytest.fixture
def neutron(monkeypatch: pytest.MonkeyPatch) -> Neutron:
    made = Neutron()
    monkeypatch.setattr(ports, "cloud_of", lambda _args: made)
    return made


def test_further_and_shared_addresses_are_let_pass_by_the_port(neutron: Neutron) -> None:
    ctx: Any = Hands({})
    made = CreatePort().do(ctx, {**ARGS, **KEPT})
    assert neutron.asked["allowed_address_pairs"] == [{"ip_address": "10.0.0.6"}, {"ip_address": "10.0.0.77"}]
    assert neutron.asked["fixed_ips"] == [{"subnet_id": "s1", "ip_address": "10.0.0.5"}]
    assert (made["mac"], made["addresses"]) == ("00:50:56:aa:00:01", ["10.0.0.5"])
    CreatePort().verify(ctx, {**ARGS, **KEPT}, made)
    with pytest.raises(StepFailed, match="did not get the addresses"):
        CreatePort().verify(ctx, {**ARGS, **KEPT}, {**made, "addresses": ["10.0.0.200"]})


def test_what_is_not_kept_the_cloud_chooses(neutron: Neutron) -> None:
    ctx: Any = Hands({})
    made = CreatePort().do(ctx, {**ARGS, "mac": None, "fixed_ip": None, "subnet_id": None, "allowed_ips": []})
    assert not {"allowed_address_pairs", "fixed_ips", "mac_address"} & set(neutron.asked)
    assert neutron.asked["security_groups"] == ["g1"]
    assert made["addresses"] == ["10.0.0.200"]
