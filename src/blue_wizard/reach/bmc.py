"""A host's management controller (BMC), by Redfish: is the host on, switch it off and on. No decisions."""

from __future__ import annotations

import os
from typing import Any

from blue_wizard import config, tracing
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.masking import learn
from blue_wizard.reach import secrets
from blue_wizard.text import _

__all__ = ["OFF", "ON", "known", "power_state", "reset"]

ON, OFF = "On", "Off"
"""Redfish's words for the two states that a host can rest in."""


def known(host: str) -> bool:
    """Whether the configuration names a BMC of this host (``hosts: {HOST: {bmc: ...}}``)."""
    found = config.load().hosts.get(host)
    return found is not None and found.bmc is not None


def power_state(host: str) -> str:
    """`ON`, `OFF`, or one of Redfish's states in between. Raises StepFailed when the BMC does not say, InputError without one."""
    return str(_ask(host, lambda system: system.power_state.value))


def reset(host: str, kind: str) -> None:
    """Do what Redfish calls a reset: ``On``, ``ForceOff``, ``ForceRestart``. Raises StepFailed, InputError without a BMC."""
    import sushy

    _ask(host, lambda system: system.reset_system(sushy.ResetType(kind)))
    tracing.tell("redfish", host, f"ComputerSystem.Reset {kind}", "accepted")


def _ask(host: str, what: Any) -> Any:
    import sushy.exceptions

    try:
        return what(_system(host))
    except (sushy.exceptions.SushyError, OSError, ValueError) as e:
        first = (str(e) or type(e).__name__).splitlines()[0]
        raise StepFailed(_("The BMC of {host} does not answer: {error}").format(host=host, error=first)) from e


def _system(host: str) -> Any:
    import sushy
    import sushy.auth

    access = config.load().hosts[host].bmc if known(host) else None
    if access is None:
        raise InputError(
            _("No BMC of {host} is known.").format(host=host),
            _("Name it in the configuration: hosts: {{{host}: {{bmc: {{url: https://..., user: ...}}}}}}").format(
                host=host
            ),
        )
    verify: bool | str = str(access.ca_file.expanduser()) if access.ca_file else True
    auth = sushy.auth.BasicAuth(access.user, _password(host, access)) if access.user else None
    # Nothing is repeated in there: who asks knows how long it may take.
    root = sushy.Sushy(access.url, auth=auth, verify=verify, server_side_retries=0, read_timeout=20, connect_timeout=10)
    systems = root.get_system_collection().get_members() if not access.system else [root.get_system(access.system)]
    if len(systems) != 1:
        raise InputError(
            _("The BMC of {host} manages {count} systems.").format(host=host, count=len(systems)),
            _("Name the one that is meant in the configuration: system: /redfish/v1/Systems/..."),
        )
    return systems[0]


def _password(host: str, access: config.BmcAccess) -> str:
    if access.password_env is not None:
        found = os.environ.get(access.password_env, "")
    elif access.password_file is not None:
        found = secrets.from_file(access.password_file.expanduser(), host)
    else:
        found = ""
    if not found:
        raise InputError(
            _("No password is known for {user} at {host}.").format(user=access.user, host=host),
            _("Name password_file or password_env beside the url, under bmc: in the configuration."),
        )
    learn(found)
    return found
