"""PowerShell on a Windows host, over WinRM or OpenSSH: a script in, what it returns out as plain data.

What comes back is JSON in lines of base64: neither a console's width nor its code page can touch that.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

import asyncssh

from blue_wizard import tracing
from blue_wizard.config import SourceConfig
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts.powershell import listed
from blue_wizard.reach import vsphere_access
from blue_wizard.reach.faults import CommandFailed, Fault
from blue_wizard.reach.ssh import Host, wait
from blue_wizard.text import _

__all__ = ["Run", "ask", "over_ssh", "over_winrm", "unwrap", "wrap"]

Run = Callable[[str, float], str]
"""Runs a whole script within so many seconds; what it wrote. Raises InputError or StepFailed."""

_WRAPPED = """$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
function Body {
@BODY@
}
try { $answer = @{ ok = $true; value = @(Body) } }
catch { $answer = @{ ok = $false; error = "$($_.Exception.Message)"; id = "$($_.FullyQualifiedErrorId)" } }
$json = ConvertTo-Json -InputObject $answer -Depth 8 -Compress
[Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($json), 'InsertLineBreaks')
"""
# A command line of Windows ends at 8191 characters, so the script itself comes by the input.
_BOOT = "& ([scriptblock]::Create([Console]::In.ReadToEnd()))"
_LONGEST = 64 << 20


def wrap(body: str) -> str:
    """The whole script around a body that returns objects (pure)."""
    return _WRAPPED.replace("@BODY@", body.strip("\n"))


def unwrap(text: str, host: str) -> list[Any]:
    """What the body returned (pure). Raises StepFailed with PowerShell's own words when it failed, or made no sense."""
    try:
        answer = json.loads(base64.b64decode("".join(text.split()), validate=True))
        ok = answer["ok"]
    except (ValueError, binascii.Error, KeyError, TypeError) as e:
        raise StepFailed(
            _("{host} gave no answer that can be read: {text}").format(host=host, text=text.strip()[-300:] or "-"),
            _("Is PowerShell 5.1 or newer there?"),
        ) from e
    if not ok:
        missing = str(answer.get("id", "")).startswith("CommandNotFoundException")
        raise StepFailed(
            _("PowerShell on {host}: {error}").format(host=host, error=answer.get("error")),
            _("Install the Hyper-V module for PowerShell there.") if missing else "",
        )
    return listed(answer.get("value"))


def ask(run: Run, host: str, body: str, *, timeout_s: float = 120) -> list[Any]:
    """What the body returns on the host. Raises InputError when it can't be reached, StepFailed when it fails."""
    tracing.tell("powershell", host, body.strip())
    return unwrap(run(wrap(body), timeout_s), host)


def over_ssh(host: Host) -> Run:
    """By OpenSSH for Windows, with a key."""
    encoded = base64.b64encode(_BOOT.encode("utf-16-le")).decode()
    argv = ["powershell.exe", "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded]

    def run(script: str, timeout_s: float) -> str:
        try:
            status, out, error = wait(host.feed(argv, script.encode("ascii"), timeout_s=timeout_s, limit=_LONGEST))
        except TimeoutError:
            raise CommandFailed(
                Fault.TIMEOUT,
                _("{command} on {host} did not end in {seconds} s.").format(
                    command="powershell.exe", host=host.name, seconds=round(timeout_s)
                ),
            ) from None
        except (asyncssh.Error, OSError) as e:
            raise CommandFailed(
                Fault.LOST, _("The connection to {host} broke: {error}").format(host=host.name, error=e)
            ) from e
        if status != 0:
            raise StepFailed(
                _("PowerShell on {host}: {error}").format(host=host.name, error=error.strip()[-300:] or status)
            )
        return out

    return run


def over_winrm(host: str, port: int, user: str, settings: SourceConfig, url: str) -> Run:
    """By WinRM over HTTPS, as the user whose password the configuration leads to. The certificate is always verified."""

    def run(script: str, timeout_s: float) -> str:
        # Importing these takes long, and few runs need them.
        from pypsrp.client import Client
        from pypsrp.exceptions import AuthenticationError, WinRMError
        from requests.exceptions import RequestException

        if settings.thumbprint and not settings.ca_file:
            raise InputError(
                _("A thumbprint is not known to WinRM's client: {host} needs a ca_file.").format(host=host),
                _("Save the certificate of its HTTPS listener, or of its authority, as PEM, and name it as ca_file."),
            )
        where = vsphere_access.Access(url, host, port, user, settings)
        trusted: bool | str = str(settings.ca_file.expanduser()) if settings.ca_file else True
        try:
            with Client(
                host,
                port=port,
                username=user,
                password=vsphere_access.password(where),
                ssl=True,
                cert_validation=trusted,
                auth="negotiate",
                connection_timeout=30,
                read_timeout=max(30, round(timeout_s)),
                operation_timeout=max(20, min(round(timeout_s), 600) - 10),
            ) as client:
                out, streams, failed = client.execute_ps(script)
        except AuthenticationError as e:
            raise InputError(
                _("{host} does not let {user} in: {error}").format(host=host, user=user, error=e),
                _("Check the user and the password, and that the user may use WinRM and Hyper-V."),
            ) from e
        except (RequestException, OSError) as e:
            raise InputError(
                _("{host}:{port} can't be reached: {error}").format(host=host, port=port, error=e),
                _("Check the address, the firewall (port {port}), and that WinRM listens with a certificate.").format(
                    port=port
                ),
            ) from e
        except WinRMError as e:
            raise StepFailed(_("WinRM on {host}: {error}").format(host=host, error=e)) from e
        if failed and not out.strip():
            words = "; ".join(str(x) for x in streams.error[:3])
            raise StepFailed(_("PowerShell on {host}: {error}").format(host=host, error=words or "?"))
        return str(out)

    return run
