"""The clouds of clouds.yaml, and the Ceph clusters behind them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from blue_wizard.doctor.model import Line, Site, check, failed, ok, unknown, warning
from blue_wizard.errors import BlueWizardError
from blue_wizard.reach.together import Late, together
from blue_wizard.text import _

__all__ = ["SERVICES", "ceph", "cloud"]

SERVICES = {
    "compute": "/flavors?limit=1",
    "network": "/networks?limit=1&fields=id",
    "block_storage": "/types?limit=1",
}
"""The services that operations use, each with a question that is cheap to answer."""


def _clouds(site: Site) -> Iterable[str]:
    return site.cloud_names()


_SERVICE_S = 20.0


@check("cloud", over=_clouds)
def cloud(site: Site, name: str) -> Iterable[Line]:
    """Login, services, rights."""
    what = _("cloud {name}: login").format(name=name)
    try:
        found = site.cloud(name)
    except BlueWizardError as e:
        yield failed(what, e)
        return
    yield ok(what, _("project {id}").format(id=found.project_id))
    answers = together([partial(_service, site, name, service) for service in SERVICES], timeout_s=_SERVICE_S)
    for service, line in zip(SERVICES, answers, strict=True):
        text = _("did not answer in {seconds} s").format(seconds=round(_SERVICE_S))
        yield unknown(_service_of(name, service), text) if isinstance(line, Late) else line
    yield _admin(site, name)


def _service_of(name: str, service: str) -> str:
    return _("cloud {name}: service {service}").format(name=name, service=service)


def _service(site: Site, name: str, service: str) -> Line:
    what = _service_of(name, service)
    try:
        site.cloud(name).get(service, SERVICES[service])
    except BlueWizardError as e:
        return failed(what, e, _("Look at the service's log, and at its endpoint in the catalogue."))
    return ok(what)


def _admin(site: Site, name: str) -> Line:
    what = _("cloud {name}: rights of an administrator").format(name=name)
    try:
        site.cloud(name).get("compute", "/servers?all_tenants=1&limit=1")
    except BlueWizardError as e:
        status = getattr(e, "status", None)
        if status == 403:
            text = _("the servers of other projects may not be seen")
            return failed(what, text, _("Give the user of clouds.yaml the role admin."))
        return unknown(what, e.message)
    return ok(what)


@check("ceph", over=_clouds, timeout_s=45.0)
def ceph(site: Site, name: str) -> Iterable[Line]:
    """The cluster answers, and its pool may be written to. Nothing is written."""
    from blue_wizard.reach import ceph as reach
    from blue_wizard.units import bytes_text

    known = site.settings.clouds.get(name)
    if known is None or known.ceph is None:
        text = _("the configuration does not say how it is reached")
        remedy = _("Add clouds: {{{name}: {{ceph: {{conf: ..., client: ..., pool: ...}}}}}} to it.").format(name=name)
        yield warning(_("Ceph of cloud {name}").format(name=name), text, remedy)
        return
    access = known.ceph
    what = _("Ceph of cloud {name}: pool {pool} as client.{client}").format(
        name=name, pool=access.pool, client=access.client
    )
    try:
        with reach.open_pool(access) as pool:
            free, writable = pool.free(), pool.may_write()
    except BlueWizardError as e:
        yield failed(what, e)
        return
    text = _("{size} free").format(size=bytes_text(free))
    if writable:
        yield ok(what, text)
    else:
        remedy = _("See: ceph auth get client.{client}; its caps on OSDs need: profile rbd pool={pool}")
        yield failed(what, _("may not be written to"), remedy.format(client=access.client, pool=access.pool))
