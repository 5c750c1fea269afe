"""A Kubernetes node is cordoned, drained, and given back. Pods go by the eviction API, which respects their budgets."""

from __future__ import annotations

from blue_wizard.config import KubernetesAccess
from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import kube
from blue_wizard.reach import kubernetes
from blue_wizard.text import _

__all__ = ["Cordon", "Drain", "Uncordon"]

_ROUND_S = 30


def _access(args: Args) -> KubernetesAccess:
    return kube.access_of(args["cloud"], args["cluster"])


def _node(args: Args) -> kube.Node:
    return kube.node_of(kubernetes.ask(_access(args), "get", "node", args["node"]))


def _close(ctx: Context, args: Args, job: str) -> None:
    ctx.event("effect", "cordon node", node=args["node"])
    # The mark first: a cordoned node without one is somebody else's.
    kubernetes.change(_access(args), "annotate", "--overwrite", "node", args["node"], f"{kube.MARK}={job}")
    kubernetes.change(_access(args), "cordon", args["node"])


def _open(ctx: Context, args: Args) -> None:
    ctx.event("effect", "uncordon node", node=args["node"])
    kubernetes.change(_access(args), "uncordon", args["node"])
    kubernetes.change(_access(args), "annotate", "node", args["node"], f"{kube.MARK}-")


@action("kubernetes.node.cordon")
class Cordon(Action):
    """args: cloud, host, cluster, node. `ours` in the outcome: it was this job that cordoned it."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is cordoned, by this job when it has its mark."""
        node = _node(args)
        return {"ours": node.job == ctx.job_id} if node.cordoned else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Cordon it, with this job's mark."""
        _close(ctx, args, ctx.job_id)
        return {"ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Uncordon it when it has this job's mark."""
        if _node(args).job == ctx.job_id:
            _open(ctx, args)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Uncordon it."""
        return f"kubectl uncordon {args['node']}"


@action("kubernetes.node.drain")
class Drain(Action):
    """args: cloud, host, cluster, node, timeout_s."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Evict its pods; those whose budgets let none go are asked again until the time is over."""
        said: list[str] = [""]

        def drained() -> bool | None:
            words = ("drain", args["node"], "--ignore-daemonsets", f"--timeout={_ROUND_S}s")
            try:
                kubernetes.change(_access(args), *words, timeout_s=_ROUND_S + 30)
            except StepFailed as e:
                said[0] = e.message
                return None
            return True

        ctx.event("effect", "drain node", node=args["node"])
        try:
            poll(drained, "", timeout_s=args["timeout_s"], check_stop=ctx.check_stop)
        except StepFailed:
            text = _("Node {node} could not be drained in {seconds} s: {error}")
            raise StepFailed(text.format(node=args["node"], seconds=round(args["timeout_s"]), error=said[0])) from None
        return {"drained": True}


@action("kubernetes.node.uncordon")
class Uncordon(Action):
    """args: cloud, host, cluster, node, job (whose mark may be taken away)."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is not that job's any more."""
        node = _node(args)
        return None if node.cordoned and node.job == args["job"] else {"ours": bool(ctx.noted("ours"))}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Uncordon it."""
        ctx.note("ours", True)
        _open(ctx, args)
        return {"ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Cordon it again, for the job whose it was."""
        if ctx.noted("ours"):
            _close(ctx, args, args["job"])
