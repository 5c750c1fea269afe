"""Whether something answers at a URL, and with which status of HTTP. No body is kept, nothing is sent but GET."""

from __future__ import annotations

import time
from dataclasses import dataclass

import urllib3

__all__ = ["Answer", "answer", "certificate"]


@dataclass(frozen=True)
class Answer:
    """A status of HTTP, or 0 with the reason; and how long it took."""

    status: int
    error: str
    took_s: float


def answer(url: str, verify: bool | str, timeout_s: float) -> Answer:
    """GET of the URL. `verify`: True for the system's authorities, a file of others, or False. Raises nothing."""
    import certifi

    authorities = certifi.where() if verify is True else verify or None
    pool = urllib3.PoolManager(cert_reqs="CERT_REQUIRED" if verify else "CERT_NONE", ca_certs=authorities)
    began = time.monotonic()
    try:
        reply = pool.request("GET", url, timeout=timeout_s, retries=False, redirect=False, preload_content=False)
        reply.release_conn()
        return Answer(reply.status, "", time.monotonic() - began)
    except (urllib3.exceptions.HTTPError, OSError) as e:
        return Answer(0, f"{type(e).__name__}: {e}"[:300], time.monotonic() - began)
    finally:
        pool.clear()


def certificate(host: str, port: int, timeout_s: float) -> tuple[str, float] | None:
    """Subject and end (Unix seconds) of the certificate that is shown there; None where there is no TLS. Raises nothing.

    It is not verified: one that has ended must be seen, too.
    """
    import socket
    import ssl

    from cryptography import x509

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as raw,
            context.wrap_socket(raw, server_hostname=host) as wrapped,
        ):
            shown = wrapped.getpeercert(binary_form=True)
    except OSError:
        return None
    if shown is None:
        return None
    made = x509.load_der_x509_certificate(shown)
    return made.subject.rfc4514_string(), made.not_valid_after_utc.timestamp()
