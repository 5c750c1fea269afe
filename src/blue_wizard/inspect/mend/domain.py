"""A domain that Nova has forgotten is taken out of libvirt. Its disks stay, and its description is kept."""

from __future__ import annotations

from typing import Any

from blue_wizard import config
from blue_wizard.errors import StepFailed
from blue_wizard.inspect.mend.owners import refuse_server
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.reach import computes, openstack, ssh
from blue_wizard.text import _

__all__ = ["RemoveDomain"]

_TIMEOUT_S = 60.0


def _virsh(args: Args, *words: str) -> list[str]:
    known = config.load().clouds.get(args["cloud"])
    return [*(known.compute_exec if known else ()), "virsh", "-q", "-c", "qemu:///system", *words]


def _run(args: Args, *words: str) -> str:
    return ssh.host(args["host"]).check(_virsh(args, *words), timeout_s=_TIMEOUT_S, root=True)


@action("mend.domain.remove")
class RemoveDomain(Action):
    """args: cloud, host, uuid. Its outcome has the domain's XML, and whether it ran."""

    def _there(self, args: Args) -> bool:
        return args["uuid"] in computes.domains(args["cloud"], args["host"])

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is gone."""
        if self._there(args):
            return None
        return {"xml": ctx.noted("xml") or "", "ran": bool(ctx.noted("ran"))}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Keep its description, stop it, and take it out."""
        refuse_server(openstack.connect(args["cloud"]), args["uuid"])
        if not ctx.noted("xml"):
            ran = _run(args, "domstate", args["uuid"]).strip() not in {"shut off", "crashed"}
            ctx.note("ran", ran)
            ctx.note("xml", _run(args, "dumpxml", "--inactive", args["uuid"]))
        if _run(args, "domstate", args["uuid"]).strip() not in {"shut off", "crashed"}:
            ctx.event("effect", "virsh destroy", host=args["host"], uuid=args["uuid"])
            _run(args, "destroy", args["uuid"])
        # One that was never defined is gone by now.
        if self._there(args):
            ctx.event("effect", "virsh undefine", host=args["host"], uuid=args["uuid"])
            _run(args, "undefine", "--keep-nvram", args["uuid"])
        return {"xml": ctx.noted("xml"), "ran": bool(ctx.noted("ran"))}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """libvirt does not know it any more."""
        if self._there(args):
            raise StepFailed(_("Domain {uuid} is still on {host}.").format(uuid=args["uuid"], host=args["host"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Define it again, and start it when it ran."""
        xml, ran = ctx.noted("xml"), bool(ctx.noted("ran"))
        if not xml:
            return
        if not self._there(args):
            ctx.event("effect", "virsh define", host=args["host"], uuid=args["uuid"])
            _define(args, str(xml))
        if ran and _run(args, "domstate", args["uuid"]).strip() == "shut off":
            ctx.event("effect", "virsh start", host=args["host"], uuid=args["uuid"])
            _run(args, "start", args["uuid"])

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Its XML is in the job."""
        return "virsh define FILE" if ctx.noted("xml") else ""


def _define(args: Args, xml: str) -> None:
    result: Any = ssh.host(args["host"]).run(
        _virsh(args, "define", "/dev/stdin"), timeout_s=_TIMEOUT_S, root=True, stdin=xml
    )
    if result.status != 0:
        raise StepFailed(
            _("Domain {uuid} could not be defined on {host}: {error}").format(
                uuid=args["uuid"], host=args["host"], error=(result.stderr or result.stdout).strip()[-300:]
            )
        )
