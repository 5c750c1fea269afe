"""What plantings are planted on: the objects of the stage, and the names that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lab.faults.target import shell
from lab.health import Planting
from lab.parts.infra import sql
from lab.run import LabError

NAME = "health"
"""The name of every object of the stage."""
COMPUTES = ("cmp1", "cmp2")
_QUERIES = {
    "server": f"select uuid from nova.instances where display_name='{NAME}' and deleted=0",
    "host": f"select host from nova.instances where display_name='{NAME}' and deleted=0",
    "project": f"select project_id from nova.instances where display_name='{NAME}' and deleted=0",
    "volume": f"select id from cinder.volumes where display_name='{NAME}' and deleted=0",
    "image": f"select id from glance.images where name='{NAME}' and deleted=0",
    "spare": f"select id from neutron.ports where name='{NAME}'",
    "port": "select p.id from neutron.ports p join nova.instances i on p.device_id=i.uuid "
    f"where i.display_name='{NAME}' and i.deleted=0",
    "mac": "select p.mac_address from neutron.ports p join nova.instances i on p.device_id=i.uuid "
    f"where i.display_name='{NAME}' and i.deleted=0",
    "network": "select p.network_id from neutron.ports p join nova.instances i on p.device_id=i.uuid "
    f"where i.display_name='{NAME}' and i.deleted=0",
    "backend": "select host from cinder.services where `binary`='cinder-volume' and deleted=0",
    "demo": "select user_id from keystone.local_user where name='demo'",
    "router": "select id from neutron.routers where name='r1'",
    "segment": "select segmentation_id from neutron.networksegments where network_id="
    "(select id from neutron.networks where name='legacy')",
    "address": "select a.ip_address from neutron.ipallocations a join neutron.ports p on p.id=a.port_id join nova.instances i "
    f"on p.device_id=i.uuid where i.display_name='{NAME}' and i.deleted=0",
    "subnet": "select a.subnet_id from neutron.ipallocations a join neutron.ports p on p.id=a.port_id join nova.instances i "
    f"on p.device_id=i.uuid where i.display_name='{NAME}' and i.deleted=0",
    "external": "select id from neutron.networks where name='external'",
    **{f"provider_{h}": f"select uuid from placement.resource_providers where name='{h}'" for h in COMPUTES},
}


@dataclass(frozen=True)
class Ground:
    """The stage as one planting sees it. `id` is that of what it makes up; `known` has what is there, by name.

    `sh` runs a script on a host, `ask` one statement of SQL; tests put others there.
    """

    id: str
    known: dict[str, str] = field(default_factory=dict)
    sh: Callable[[str, str], str] = field(default=shell, repr=False, compare=False)
    ask: Callable[[str], str] = field(default=sql, repr=False, compare=False)

    def __getitem__(self, name: str) -> str:
        """One of `names`. Raises LabError when it is not there."""
        found = self.names().get(name, "")
        if not found:
            raise LabError(f"there is no {name} to plant it on: lab/lab fault stage")
        return found

    def names(self) -> dict[str, str]:
        """What may stand in braces in a planting's `object`."""
        found = {"id": self.id, "hex": self.id.replace("-", ""), "short": self.id[:11], **self.known}
        if host := self.known.get("host"):
            found["other"] = next(h for h in COMPUTES if h != host)
            found["provider"] = self.known.get(f"provider_{host}", "")
            found["other_provider"] = self.known.get(f"provider_{found['other']}", "")
        if port := self.known.get("port"):
            found["tap"] = f"tap{port[:11]}"
        return found


def survey(planting: Planting) -> Ground:
    """The ground of a planting. Raises LabError when what it needs is not there."""
    lines = sql("; ".join(f"select '{name}', ({query} limit 1)" for name, query in _QUERIES.items())).splitlines()
    rows = [line.split("\t") for line in lines]
    ground = Ground(planting.id, {name: value for name, value in rows if value != "NULL"})
    for name in planting.needs:
        ground[name]
    return ground
