"""What the actions share: the mark by which an object is found again after a crash, and waiting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from blue_wizard import config
from blue_wizard.config import CephAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.jobs.actions import Args, Context
from blue_wizard.jobs.polling import poll
from blue_wizard.migrate.metadata import KEY
from blue_wizard.reach import openstack
from blue_wizard.text import _

__all__ = [
    "by_openstack",
    "ceph_access",
    "cloud_of",
    "fault_of",
    "find_server",
    "mark",
    "poll",
    "server_of",
]


def mark(ctx: Context) -> str:
    """What an object made by this step carries; unique to the step of the job, and the same after a crash."""
    return f"job={ctx.job_id} step={ctx.step_id}"


def cloud_of(args: Args) -> openstack.Cloud:
    """The cloud that a step works on."""
    return openstack.connect(args["cloud"])


def ceph_access(cloud: str) -> CephAccess:
    """How the cloud's volumes are reached in Ceph. Raises InputError when the configuration does not say."""
    found = config.load().clouds.get(cloud)
    if found is None or found.ceph is None:
        raise InputError(
            _("The configuration does not say how the Ceph cluster of cloud {name} is reached.").format(name=cloud),
            _("Add clouds: {{{name}: {{ceph: {{conf: ..., client: ..., pool: ...}}}}}} to it.").format(name=cloud),
        )
    return found.ceph


def find_server(cloud: openstack.Cloud, name: str, marked: str) -> dict[str, Any] | None:
    """The server of this name that carries the mark."""
    for server in cloud.list("compute", f"/servers/detail?name={quote(f'^{name}$')}", "servers"):
        if server["metadata"].get(KEY) == marked:
            return server
    return None


def server_of(ctx: Context, args: Args) -> dict[str, Any]:
    """The target server as it is now. Raises StepFailed when it is gone."""
    server_id = ctx.outcome("server")["server_id"]
    found = cloud_of(args).get("compute", f"/servers/{server_id}", missing_ok=True)
    if found is None:
        raise StepFailed(_("The target server {id} is gone.").format(id=server_id))
    server: dict[str, Any] = found["server"]
    return server


def fault_of(server: Mapping[str, Any]) -> str:
    """Nova's own words on a server in ERROR."""
    return str((server.get("fault") or {}).get("message") or server["status"])


def by_openstack(args: Args, *words: str) -> str:
    """A command of the openstack client for a person, on the cloud of `args`."""
    return openstack.client_command(args["cloud"], *words)
