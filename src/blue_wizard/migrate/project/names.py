"""What the kinds of objects of a project are called."""

from __future__ import annotations

from blue_wizard.text import _

__all__ = ["kind_text"]


def kind_text(kind: str) -> str:
    """What a kind of object of a project is called."""
    return {
        "network": _("network"),
        "subnet": _("subnet"),
        "router": _("router"),
        "interface": _("card of router"),
        "routes": _("routes of router"),
        "group": _("security group"),
        "rules": _("rules of security group"),
        "flavor": _("flavor"),
        "keypair": _("keypair"),
        "image": _("image"),
        "volume": _("volume"),
    }.get(kind, kind)
