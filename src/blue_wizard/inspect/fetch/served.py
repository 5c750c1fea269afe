"""The certificates that the catalogue's endpoints show in a TLS handshake."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site
from blue_wizard.reach.together import Late, together

__all__ = ["ServedCertificates"]

_HANDSHAKE_S = 5.0


@dataclass(frozen=True)
class ServedCertificates:
    """(address, subject, end of validity in Unix seconds); addresses without an answer are left out: another check tells them."""

    rows: tuple[tuple[str, str, float], ...] = ()


@provides
def served(site: Site) -> ServedCertificates:
    """One handshake for each distinct https address."""
    from blue_wizard.reach import web

    rows = site.get("identity", "/endpoints")["endpoints"]
    roots = sorted({(p.hostname or "", p.port or 443) for r in rows if (p := urlsplit(r["url"])).scheme == "https"})
    answers = together([partial(web.certificate, host, port, _HANDSHAKE_S) for host, port in roots])
    found = []
    for (host, port), answer in zip(roots, answers, strict=True):
        if answer is not None and not isinstance(answer, Late):
            found.append((f"{host}:{port}", answer[0], answer[1]))
    return ServedCertificates(tuple(found))
