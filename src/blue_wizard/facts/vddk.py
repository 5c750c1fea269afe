"""What nbdkit and VMware's library (VDDK) say, in our words. Pure.

Each text of `_CAUSES` is one that operators have met or that is documented; where it is from stands beside it. nbdkit prints the
text of an error and not its number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blue_wizard.text import _

__all__ = ["Cause", "Plugin", "explain", "parse_plugin"]


@dataclass(frozen=True)
class Plugin:
    """What ``nbdkit vddk --dump-plugin`` tells: the library's major `version` (0: it was not loaded), its file, and whether it
    knows which areas of a disk are in use (since VDDK 6.7)."""

    version: int
    file: str
    tells_use: bool


@dataclass(frozen=True)
class Cause:
    """Why a disk can't be read: a short `code`, and the sentences for a person."""

    code: str
    message: str
    hint: str


def parse_plugin(text: str) -> Plugin:
    """The answer of ``--dump-plugin``, lines of KEY=VALUE. Source: nbdkit-vddk-plugin(1), DUMP-PLUGIN OUTPUT."""
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    version = found.get("vddk_library_version", "0")
    return Plugin(
        int(version) if version.isdigit() else 0,
        found.get("vddk_dll", ""),
        found.get("VixDiskLib_QueryAllocatedBlocks") == "1",
    )


def _login(host: str, _match: re.Match[str]) -> tuple[str, str]:
    return (
        _("{host} refuses the name or the password that VDDK was given.").format(host=host),
        _("Was the password changed since the job began? Correct it, then: blue-wizard job resume ID"),
    )


def _thumbprint(host: str, match: re.Match[str]) -> tuple[str, str]:
    return (
        _("VDDK sees a certificate of {host} that is not the one that was verified: {shown}").format(
            host=host, shown=match[1]
        ),
        _("Was the certificate changed just now, or does somebody stand between? Compare it at the server itself."),
    )


def _library(_host: str, match: re.Match[str]) -> tuple[str, str]:
    return (
        _("VMware's library can't be loaded: {file} is missing.").format(file=match[1]),
        _("Unpack VDDK from VMware, in a version that this nbdkit knows, and name its folder (vddk: libdir)."),
    )


def _plugin(_host: str, _match: re.Match[str]) -> tuple[str, str]:
    return (
        _("nbdkit has no vddk plugin on this machine."),
        _(
            "Install it (Fedora, RHEL: nbdkit-vddk-plugin; newer Ubuntu: nbdkit-plugin-vddk). Debian 12 has none:"
            " build nbdkit from its source, and name the file (vddk: plugin)."
        ),
    )


def _busy(host: str, match: re.Match[str]) -> tuple[str, str]:
    return (
        _("The ESXi host has no memory left for another reader ({bytes} bytes were refused, by way of {host}).").format(
            bytes=match[1], host=host
        ),
        _("Lower limits: kinds: esxi-host, or vddk: connections, then: blue-wizard job resume ID"),
    )


def _closed(host: str, match: re.Match[str]) -> tuple[str, str]:
    return (
        _("VDDK does not get through to the ESXi host ({words}, by way of {host}).").format(words=match[0], host=host),
        _("Open TCP 902 from here to every ESXi host, and have their names resolved here."),
    )


def _access(_host: str, _match: re.Match[str]) -> tuple[str, str]:
    return (
        _("VDDK may not read the disk: the machine runs and has it locked, or the user lacks a right."),
        _(
            "Grant Virtual machine > Provisioning > Allow read-only disk access, and look for other readers of this disk."
        ),
    )


def _gone(_host: str, _match: re.Match[str]) -> tuple[str, str]:
    return (
        _("VDDK does not find the file of the disk: it was moved or removed since."),
        _("Plan again: blue-wizard migrate plan"),
    )


_CAUSES: Sequence[tuple[str, str, Callable[[str, re.Match[str]], tuple[str, str]]]] = (
    # nbdkit 1.32 itself, without the plugin.
    ("plugin", r"cannot open plugin '", _plugin),
    # github.com/adminsyspro/proxcenter-ui/issues/521; a library of VDDK's own: kubevirt/containerized-data-importer/pull/2341.
    ("library", r"(\S+\.so[.\d]*): cannot open shared object file", _library),
    # The words of the API's fault InvalidLogin, which VDDK passes on.
    ("login", r"(?i)incorrect user name or password", _login),
    # nbdkit-vddk-plugin(1), THUMBPRINTS.
    ("thumbprint", r"Failed to verify SSL certificate: actual thumbprint=(\S+)", _thumbprint),
    # nbdkit-vddk-plugin(1), Out of memory errors (NFC error 5).
    ("busy", r"Failed to allocate the requested (\d+) bytes", _busy),
    # github.com/vmware-tanzu/velero-plugin-for-vsphere/issues/118
    ("closed", r"Failed to connect to server ?\S+?:\d+", _closed),
    # github.com/vexxhost/migratekit/issues/14
    ("closed", r"Error reading from vmware-authd socket", _closed),
    # Error 14009, VIX_E_HOST_NETWORK_CONN_REFUSED: github.com/vmware-tanzu/velero-plugin-for-vsphere/issues/145,
    # github.com/adminsyspro/proxcenter-ui/issues/438, whose messages were cut off.
    ("closed", r"The server refused connectio", _closed),
    # Error 13, VIX_E_FILE_ACCESS_ERROR: github.com/kubevirt/containerized-data-importer/pull/3385
    ("access", r"You do not have access rights to this file", _access),
    # Error 4, VIX_E_FILE_NOT_FOUND.
    ("gone", r"A file was not found", _gone),
)


def explain(words: str, host: str) -> Cause | None:
    """The first documented cause that is found in what nbdkit said; None for words that are not known.

    `host` is the vCenter or ESXi host that was logged in to.
    """
    for code, pattern, say in _CAUSES:
        match = re.search(pattern, words)
        if match:
            return Cause(code, *say(host, match))
    return None
