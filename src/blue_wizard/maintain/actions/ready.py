"""Is a host back, and fit to be given servers? And a canary that goes there and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import moving, patient, site, storage
from blue_wizard.maintain.actions import live
from blue_wizard.reach import computes
from blue_wizard.reach.openstack import client_command
from blue_wizard.text import _

__all__ = ["Back", "Canary", "Ready", "missing", "not_back"]


def not_back(boot: str, kernel: str, before: str, wanted: str) -> str:
    """Why a host that answers is not back as it should be (pure); "" when it is.

    `before` is the boot that it must not be in any more ("": whichever), `wanted` how its kernel's release has to begin.
    """
    if before and boot == before:
        return _("it has not been rebooted: its boot is still {boot}").format(boot=boot)
    if wanted and not kernel.startswith(wanted):
        return _("its kernel is {kernel}, not {wanted}").format(kernel=kernel, wanted=wanted)
    return ""


@action("maintain.host.back")
class Back(Action):
    """args: cloud, host, boot (it must not be in any more; "": whichever), kernel ("": whichever), timeout_s."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait until it answers over SSH, in another boot and with the right kernel where that is asked."""
        reason = ""
        found: tuple[str, str] = ("", "")

        def back() -> bool | None:
            nonlocal reason, found
            try:
                found = computes.boot_of(args["host"])
            except BlueWizardError as e:
                reason = e.message
                return None
            reason = not_back(*found, args["boot"], args["kernel"])
            return None if reason else True

        try:
            poll(back, "", timeout_s=args["timeout_s"], check_stop=ctx.check_stop)
        except StepFailed:
            text = _("{host} is not back after {seconds} s: {reason}")
            raise StepFailed(text.format(host=args["host"], seconds=round(args["timeout_s"]), reason=reason)) from None
        return {"boot": found[0], "kernel": found[1]}


def missing(up: bool, agents: Sequence[Mapping[str, Any]], osds_down: Sequence[int], libvirt: str) -> list[str]:
    """What a host lacks before servers may come to it (pure). `libvirt` is why it can't be asked, "" when it answers."""
    found = [] if up else [_("nova-compute is down")]
    found += [_("{agent} is down").format(agent=a["binary"]) for a in agents if not a["alive"]]
    if osds_down:
        found.append(_("OSDs {ids} are down").format(ids=", ".join(map(str, osds_down))))
    return [*found, libvirt] if libvirt else found


@action("maintain.host.ready")
class Ready(Action):
    """args: cloud, host, service, timeout_s. Asks each service through its own API, and libvirt on the host itself."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait until nova-compute, every network agent, libvirt and every OSD of the host answer."""
        lacks: list[str] = []

        def ready() -> bool | None:
            lacks[:] = self._look(args)
            return None if lacks else True

        try:
            poll(ready, "", timeout_s=args["timeout_s"], check_stop=ctx.check_stop)
        except StepFailed:
            text = _("{host} is not ready after {seconds} s: {reason}")
            raise StepFailed(
                text.format(host=args["host"], seconds=round(args["timeout_s"]), reason="; ".join(lacks))
            ) from None
        return {"ready": True}

    def _look(self, args: Args) -> list[str]:
        cloud, host = patient.connect(args["cloud"]), args["host"]
        up = any(s.up for s in site.services(cloud) if s.host == host)
        agents = [a for a in cloud.list("network", f"/agents?host={host}", "agents") if a["host"] == host]
        try:
            computes.domains(args["cloud"], host)
            libvirt = ""
        except BlueWizardError as e:
            libvirt = e.message
        found = storage.on_host(args["cloud"], host)
        return missing(up, agents, found[0].down if found else (), libvirt)


@action("maintain.host.canary")
class Canary(Action):
    """args: cloud, host, service, server, name, source (where it is), dest (the host), silence_s, timeout_s."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Move it to the host, and back to where it was."""
        cloud = patient.connect(args["cloud"], ctx)
        now = moving.server_now(cloud, args["server"])
        if now is None:
            raise StepFailed(_("Server {name} is gone.").format(name=args["name"]))
        ctx.note("began", True)
        if not ctx.noted("was there"):
            if now.host != args["dest"]:
                live.carry(ctx, cloud, args, args["source"], args["dest"])
            ctx.note("was there", True)
        now = moving.server_now(cloud, args["server"])
        if now is not None and now.host == args["dest"]:
            live.carry(ctx, cloud, args, args["dest"], args["source"])
        return {"server": args["server"]}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Bring it back."""
        if ctx.noted("began"):
            live.come_home(ctx, args)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Bring it back."""
        words = ("server", "migrate", "--live-migration", "--host", args["source"], args["server"])
        return client_command(args["cloud"], *words)
