"""From Keystone, and from every endpoint of its catalogue."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from blue_wizard.facts.identity import Endpoints, Projects, Users
from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site
from blue_wizard.reach.together import Late, together

__all__: list[str] = []

_ANSWER_S = 5.0


@provides
def projects(site: Site) -> Projects:
    """One call (Keystone has no pages; it says when it cuts a list off)."""
    return Projects.parse(site.get("identity", "/projects"))


@provides
def users(site: Site) -> Users:
    """One call."""
    return Users.parse(site.get("identity", "/users")["users"])


@provides
def endpoints(site: Site) -> Endpoints:
    """The catalogue; the root of each distinct address is asked, without a token, as a load balancer would."""
    from blue_wizard.reach import web

    found = Endpoints.parse(
        site.get("identity", "/endpoints")["endpoints"], site.get("identity", "/services")["services"]
    )
    verify = site.cloud().sdk.session.verify
    roots = sorted({_root(e.url) for e in found.rows if e.enabled})
    began = time.monotonic()
    answers = together([partial(web.answer, root, verify, _ANSWER_S) for root in roots], timeout_s=_ANSWER_S + 1)
    late = web.Answer(0, f"no answer in {_ANSWER_S:.0f} s", time.monotonic() - began)
    known = {root: late if isinstance(a, Late) else a for root, a in zip(roots, answers, strict=True)}
    return Endpoints(
        tuple(
            replace(e, answer=a.status, error=a.error, took_s=a.took_s)
            if (a := known.get(_root(e.url))) is not None and e.enabled
            else e
            for e in found.rows
        )
    )


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"
