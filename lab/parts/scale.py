"""An extra part (`lab/lab add scale`): a big cloud in the services' databases, for their APIs to serve.

Nothing of it exists but in the databases. The scheduler may choose its hosts for new servers, which then never start: add it
to a lab that is used for nothing but counting, and take that down afterwards.
"""

from __future__ import annotations

import re
from pathlib import Path

from lab.parts import part
from lab.parts.infra import sql
from lab.run import say

SIZES = {"HOSTS": 500, "SERVERS": 10_000, "PORTS": 20_000, "VOLUMES": 15_000, "PROJECTS": 3_000, "NETWORKS": 100}
_COUNTS = (
    "select count(*) from nova.services where host like 'scale-%'",
    "select count(*) from nova.instances where display_name like 'scale-%' and deleted = 0",
    "select count(*) from neutron.ports where device_owner = 'compute:nova' and mac_address like 'fa:17:%'",
    "select count(*) from cinder.volumes where display_name like 'scale-%' and deleted = 0",
    "select count(*) from keystone.project where name like 'scale-%'",
)


def statements() -> str:
    """The SQL that fills the databases: one transaction, so that half of it is never there."""
    text = Path(__file__).with_suffix(".sql").read_text()
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda m: str(SIZES[m[1]]), text)


def _fill() -> None:
    if not _filled():
        say("filling the databases")
        sql(statements())
    # A database that was started again has forgotten it; the hosts' services would all count as down.
    sql("set global event_scheduler = on;")


def _filled() -> bool:
    found = [int(n) for n in sql(";\n".join(_COUNTS) + ";").split()]
    return found == [SIZES[name] for name in ("HOSTS", "SERVERS", "PORTS", "VOLUMES", "PROJECTS")]


def _alive() -> bool:
    return _filled() and sql("select @@event_scheduler;").strip() == "ON"


part("scale", needs=("cells", "cloud"), start=_fill, alive=_alive, waits_for="the databases to be full", extra=dict)
