"""Pools whose copies can't be kept apart."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap, CephRules, CephTree, Node
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["failure_domain"]


@check(
    "ceph.failure-domain",
    N_("Copies can't be kept apart"),
    severity=Severity.WARNING,
    remedy=N_("Add hosts (racks), or change the rule of {pool} to one whose failure domain there is enough of."),
    profile=Profile.DAILY,
)
def failure_domain(osd_map: CephMap, rules: CephRules, tree: CephTree) -> Iterable[Finding]:
    """The pool's CRUSH rule spreads over hosts, racks ...; there must be as many of them with OSDs that are up as the
    pool has copies. A rule
    that spreads over OSDs may put all copies on one host."""
    by_id = {r.id: r for r in rules.rows}
    for p in osd_map.pools:
        rule = by_id.get(p.rule)
        root = tree.by_id.get(rule.root) if rule else None
        if rule is None or root is None:
            continue
        if rule.domain == "osd":
            yield found(
                p.name,
                N_("Pool {pool} may keep all copies on one host: rule {rule} spreads over OSDs."),
                evidence=[f"ceph osd crush rule dump: {rule.name}"],
                pool=p.name,
                rule=rule.name,
            )
            continue
        live = [n for n in _below(tree, root.id) if n.type == rule.domain and any(o.up for o in tree.osds_below(n))]
        if len(live) < p.size:
            yield found(
                p.name,
                N_("Pool {pool} wants {size} copies on different {domain}s, and there are {count}."),
                evidence=[f"rule {rule.name}: {rule.domain}", *(n.name for n in live)],
                pool=p.name,
                size=p.size,
                domain=rule.domain,
                count=len(live),
            )


def _below(tree: CephTree, id_: int) -> list[Node]:
    node = tree.by_id.get(id_)
    return [] if node is None else [node, *(n for c in node.children for n in _below(tree, c))]
