"""Steps that only look: which boot a host is in, whether the plan still names all of its servers, whether it is empty."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import patient, site
from blue_wizard.reach import computes
from blue_wizard.text import _

__all__ = ["Empty", "Note", "Settle", "left_over"]

_SETTLE_S = 300.0
_EMPTY_S = 120.0


@action("maintain.host.note")
class Note(Action):
    """args: cloud, host. The outcome's `boot` is another one after every boot."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Read the id of the boot, and the kernel's release."""
        boot, kernel = computes.boot_of(args["host"])
        return {"boot": boot, "kernel": kernel}


@action("maintain.host.settle")
class Settle(Action):
    """args: cloud, host, servers (ids that the plan knows). What was on its way here when the host was closed still comes."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait until nothing is on its way here, then compare."""
        cloud, host = patient.connect(args["cloud"], ctx), args["host"]

        def arrived() -> bool | None:
            return None if any(m.dest == host for m in site.in_flight(cloud, host)) else True

        what = _("migrations to {host} to end").format(host=host)
        poll(arrived, what, timeout_s=_SETTLE_S, check_stop=ctx.check_stop)
        here = site.servers_on(cloud, host)
        known = set(args["servers"])
        new = sorted(f"{s.name} ({s.id})" for s in here if s.id not in known)
        if new:
            raise StepFailed(
                _("Servers have come to {host} since the plan was made: {servers}.").format(
                    host=host, servers=", ".join(new)
                ),
                _("Plan again: blue-wizard host enter {host}").format(host=host),
            )
        return {"servers": [s.id for s in here]}


@action("maintain.host.empty")
class Empty(Action):
    """args: cloud, host, provider (its resource provider), staying (ids of servers that stay with consent)."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait until Nova, libvirt and Placement agree: what has moved is cleaned up a little later."""
        found: list[str] = []

        def empty() -> bool | None:
            found[:] = self._look(args)
            return None if found else True

        try:
            poll(empty, "", timeout_s=_EMPTY_S, check_stop=ctx.check_stop)
        except StepFailed:
            if not found:
                raise
            raise StepFailed(
                _("{host} is not empty: {found}").format(host=args["host"], found="; ".join(found))
            ) from None
        return {"staying": list(args["staying"])}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """Once more: one may have come in between."""
        found = self._look(args)
        if found:
            raise StepFailed(_("{host} is not empty: {found}").format(host=args["host"], found="; ".join(found)))

    def _look(self, args: Args) -> list[str]:
        cloud, host = patient.connect(args["cloud"]), args["host"]
        allocations = cloud.get("placement", f"/resource_providers/{args['provider']}/allocations")["allocations"]
        return left_over(
            {s.id: s.name for s in site.servers_on(cloud, host)},
            computes.domains(args["cloud"], host),
            allocations,
            [f"{m.server} ({m.status})" for m in site.in_flight(cloud, host)],
            args["staying"],
        )


def left_over(
    servers: Mapping[str, str],
    domains: Mapping[str, str],
    allocations: Iterable[str],
    moving: Iterable[str],
    staying: Collection[str],
) -> list[str]:
    """What is still on a host by each of those who know, apart from what stays on purpose (pure)."""
    found = [
        _("Nova has server {name} ({id})").format(name=name, id=id_)
        for id_, name in servers.items()
        if id_ not in staying
    ]
    found += [
        _("libvirt has guest {name} ({id})").format(name=name, id=id_)
        for id_, name in domains.items()
        if id_ not in staying
    ]
    found += [_("Placement has an allocation for {id}").format(id=id_) for id_ in allocations if id_ not in staying]
    found += [_("the migration of {server} has not ended").format(server=one) for one in moving]
    return found
