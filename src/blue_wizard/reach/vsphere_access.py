"""Who we are at a vCenter or ESXi host, and why its certificate is trusted. No secret stands in a URL."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from blue_wizard import config
from blue_wizard.errors import InputError
from blue_wizard.masking import learn
from blue_wizard.reach import secrets
from blue_wizard.text import _

__all__ = ["Access", "Trust", "access", "old_thumbprint", "password", "split", "trust", "unreachable"]

_PORT = 443
_TIMEOUT_S = 15
_OTHER_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


@dataclass(frozen=True)
class Access:
    """Where and as whom. `settings` is what the configuration says of this URL."""

    url: str
    host: str
    port: int
    user: str
    settings: config.SourceConfig


@dataclass(frozen=True)
class Trust:
    """`context` verifies the server; `ca_file` holds the same trust for other programs (None: the system's authorities).

    `pinned` is the certificate itself (PEM) where it is trusted by its fingerprint.
    """

    context: ssl.SSLContext = field(repr=False)
    ca_file: Path | None = None
    pinned: str = ""


def split(url: str) -> tuple[str, int, str]:
    """``vsphere://USER@HOST[:PORT]/`` as (host, port, user). Raises InputError."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORT
    except ValueError:
        port = 0
    if not parts.hostname or not parts.username or parts.password or parts.path not in {"", "/"} or not port:
        raise InputError(
            _("{url} is not the URL of a vCenter or ESXi host.").format(url=parts._replace(netloc="...").geturl()),
            _("Write vsphere://user@host/ (%40 for an @ in the user); the password belongs into a file or a variable."),
        )
    return parts.hostname, port, unquote(parts.username)


def access(url: str) -> Access:
    """What the URL and the configuration say together. Raises InputError for a URL that can't be one."""
    host, port, user = split(url)
    same = (s for s in config.load().sources.values() if s.url.rstrip("/") == url.rstrip("/"))
    return Access(url, host, port, user, next(same, config.SourceConfig(url=url)))


def password(where: Access) -> str:
    """The password, from the place that the configuration names. Raises InputError when there is none, or others can read it."""
    settings = where.settings
    if settings.password_env is not None:
        found = os.environ.get(settings.password_env, "")
        if not found:
            raise InputError(
                _("The variable {name}, which has the password for {host}, is not set.").format(
                    name=settings.password_env, host=where.host
                ),
                _("Set it where the command and the worker run."),
            )
    elif settings.password_file is not None:
        found = secrets.from_file(settings.password_file.expanduser(), where.host)
    else:
        raise InputError(
            _("No password is known for {user} at {host}.").format(user=where.user, host=where.host),
            _("Name password_file or password_env beside the url, under sources: in the configuration."),
        )
    learn(found)
    return found


def trust(where: Access) -> Trust:
    """How the server is verified. With a thumbprint it is asked for its certificate. Raises InputError when they differ."""
    settings = where.settings
    if settings.thumbprint is not None:
        return _pinned(where, settings.thumbprint)
    if settings.ca_file is None:
        return Trust(ssl.create_default_context())
    file = settings.ca_file.expanduser()
    try:
        return Trust(ssl.create_default_context(cafile=str(file)), file)
    except (OSError, ssl.SSLError) as e:
        raise InputError(
            _("{file} holds no usable certificates: {error}").format(
                file=file, error=getattr(e, "strerror", None) or e
            ),
            _("Correct ca_file of this source in the configuration."),
        ) from e


def _pinned(where: Access, thumbprint: str) -> Trust:
    wanted = re.sub(r"[:\s]", "", thumbprint).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise InputError(
            _("The thumbprint of {host} in the configuration is no SHA-256 fingerprint.").format(host=where.host),
            _("It has 64 hexadecimal digits: openssl x509 -in cert.pem -noout -fingerprint -sha256"),
        )
    der = _certificate(where)
    shown = hashlib.sha256(der).digest().hex(":").upper()
    if shown.replace(":", "").lower() != wanted:
        raise InputError(
            _("{host} shows a certificate of another thumbprint than the configuration has: {shown}").format(
                host=where.host, shown=shown
            ),
            _("Compare it at the server itself before you correct the configuration: somebody may stand between."),
        )
    pem = ssl.DER_cert_to_PEM_cert(der)
    context = ssl.create_default_context(cadata=pem)
    # It is this one certificate or none, whoever signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return Trust(context, None, pem)


def old_thumbprint(where: Access, trusted: Trust) -> str:
    """The SHA-1 fingerprint (``AB:CD:...``) of the server's certificate, which is verified first. Raises InputError.

    Programs of VMware know no other one, and take it for the only thing to verify.
    """
    return hashlib.sha1(_shown(where, trusted.context)).digest().hex(":").upper()  # noqa: S324


def _certificate(where: Access) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Nothing is sent over this connection; it only shows the certificate that is judged afterwards.
    context.verify_mode = ssl.CERT_NONE
    return _shown(where, context)


def _shown(where: Access, context: ssl.SSLContext) -> bytes:
    try:
        with (
            socket.create_connection((where.host, where.port), _TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=where.host) as secure,
        ):
            found = secure.getpeercert(binary_form=True)
    except OSError as e:
        raise unreachable(where, e) from e
    assert found is not None, "a TLS server shows a certificate"
    return found


def unreachable(where: Access, error: Exception) -> InputError:
    """The error for a server that can't be reached, or is not who it should be."""
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _OTHER_NAME:
        return InputError(
            _("The certificate of {host} is for another name: {error}").format(
                host=where.host, error=error.verify_message
            ),
            _("Write the name that stands in the certificate into the url; /etc/hosts can lead it to the address."),
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return InputError(
            _("The certificate of {host} is not trusted: {error}").format(host=where.host, error=error.verify_message),
            _(
                "Name its authority (ca_file) or its SHA-256 fingerprint (thumbprint) beside the url in the configuration."
            ),
        )
    return InputError(
        _("{host}:{port} can't be reached: {error}").format(host=where.host, port=where.port, error=error),
        _("Check the address, the firewall (port 443), and that it is a vCenter or ESXi host."),
    )
