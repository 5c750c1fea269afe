"""A change of the configuration that reached some hosts only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.fetch.services import ConfigDigests
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["config_parity"]


@check(
    "cross.config-parity",
    N_("Host is configured unlike its likes"),
    severity=Severity.WARNING,
    remedy=N_("Compare {file} with that of another host, and roll the change out everywhere, or back."),
    profile=Profile.WEEKLY,
)
def config_parity(hosts: Everywhere[ConfigDigests]) -> Iterable[Finding]:
    """The majority is right; where there is none nothing is said."""
    names = sorted({name for digests in hosts.at.values() for name in digests.digests})
    for name in names:
        at = {host: d.digests[name] for host, d in sorted(hosts.at.items()) if name in d.digests}
        usual, most = Counter(at.values()).most_common(1)[0]
        if len(at) < 3 or most * 2 <= len(at):
            continue
        for host, digest in at.items():
            if digest != usual:
                yield found(
                    name,
                    N_("{file} on {where} differs from that of {count} other hosts."),
                    host=host,
                    evidence=[f"sha256sum on {h}: {one[:16]}" for h, one in at.items()][:10],
                    file=name,
                    where=host,
                    count=most,
                )
