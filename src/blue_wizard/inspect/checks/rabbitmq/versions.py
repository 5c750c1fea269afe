"""Nodes of different releases, and feature flags that are off."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.rabbitmq import RabbitNode
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["versions"]


@check(
    "rabbitmq.versions",
    N_("RabbitMQ's upgrade was not finished"),
    severity=Severity.WARNING,
    remedy=N_("Bring all nodes to one release, then: rabbitmqctl enable_feature_flag all"),
    profile=Profile.BEFORE_UPGRADE,
)
def versions(node: RabbitNode) -> Iterable[Finding]:
    """A stable feature flag that is off keeps the next release from starting."""
    if len(node.versions) > 1:
        yield found(
            "versions",
            N_("The nodes of RabbitMQ run different releases: {versions}"),
            evidence=["rabbitmqctl cluster_status: versions"],
            versions=", ".join(node.versions),
        )
    if node.flags_off:
        yield found(
            "feature flags",
            N_("Feature flags of RabbitMQ are off: {flags}"),
            evidence=["rabbitmqctl cluster_status: feature_flags"],
            flags=", ".join(node.flags_off),
        )
