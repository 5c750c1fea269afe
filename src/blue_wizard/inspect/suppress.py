"""A dead host is one finding, not forty: which findings are explained by another one."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.facts import same_host
from blue_wizard.inspect.model import Check, Finding

__all__ = ["explained"]


def explained(findings: Iterable[tuple[Check, Finding]]) -> dict[tuple[str, str, str], str]:
    """For each finding (check, object, host) that follows from another one: the check whose finding explains it.

    A finding of a check in `under` explains those on its own host, or all where it names none. Chains lead to their first cause.
    """
    known = list(findings)
    by_check: dict[str, set[str]] = {}
    for check, finding in known:
        by_check.setdefault(check.id, set()).add(finding.host)
    direct: dict[tuple[str, str, str], tuple[str, str]] = {}
    for check, finding in known:
        for parent in check.under:
            hosts = by_check.get(parent, set())
            here = (h for h in hosts if finding.host and same_host(h, finding.host))
            at = next(here, "" if "" in hosts else None)
            if at is not None and parent != check.id:
                direct[check.id, finding.object, finding.host] = (parent, at)
                break
    # The cause of a cause: every step goes to a check above, and stops where it has been before.
    above = {(check.id, finding.host): direct.get((check.id, finding.object, finding.host)) for check, finding in known}
    found: dict[tuple[str, str, str], str] = {}
    for key, (parent, host) in direct.items():
        seen = {key[0]}
        while parent not in seen:
            seen.add(parent)
            further = above.get((parent, host))
            if further is None:
                break
            parent, host = further
        found[key] = parent
    return found
