"""The extra specs of flavors: in the listing of a newer Nova, one by one from an older one, none where they are kept from us."""

from __future__ import annotations

from typing import Any

import pytest

from blue_wizard.reach.flavors import listed
from blue_wizard.reach.openstack import ApiError

SPECS = {"pinned": {"hw:cpu_policy": "dedicated"}, "plain": {}}


class Nova:
    """Nova up to a microversion, with a policy about extra specs."""

    def __init__(self, newest: int, *, status: int = 200) -> None:
        self.newest, self.status = newest, status
        self.asked: list[str] = []

    def list(self, service: str, path: str, key: str, *, microversion: str | None = None) -> list[dict[str, Any]]:
        asked = int((microversion or "2.60").removeprefix("2."))
        if asked > self.newest:
            raise ApiError(service, "GET", path, 406, "Version is not supported")
        told = asked >= 61 and self.status == 200
        return [{"id": name, "name": name, **({"extra_specs": specs} if told else {})} for name, specs in SPECS.items()]

    def get(self, service: str, path: str) -> Any:
        self.asked.append(path)
        if self.status != 200:
            raise ApiError(service, "GET", path, self.status, "no")
        return {"extra_specs": SPECS[path.split("/")[2]]}


@pytest.mark.parametrize(("newest", "calls"), [(96, 0), (60, 2)])
def test_the_extra_specs_are_told(newest: int, calls: int) -> None:
    nova = Nova(newest)
    assert {f["id"]: f["extra_specs"] for f in listed(nova)} == SPECS
    assert len(nova.asked) == calls


def test_a_policy_may_keep_them() -> None:
    assert [f["extra_specs"] for f in listed(Nova(96, status=403))] == [{}, {}]
    with pytest.raises(ApiError):
        listed(Nova(96, status=500))
