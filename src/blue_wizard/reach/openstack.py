"""OpenStack by its APIs: one connection per cloud, thin calls, no decisions."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from blue_wizard import config, tracing
from blue_wizard.errors import BlueWizardError, InputError, StepFailed
from blue_wizard.masking import learn
from blue_wizard.text import _

__all__ = ["ApiError", "Cloud", "client_command", "cloud_name", "connect"]

# Blank volumes as the only disks and no network at creation need 2.37; flavor descriptions need 2.55.
_COMPUTE = "2.60"
_VOLUME = "3.59"
# Allocation candidates need 1.10.
_PLACEMENT = "1.10"
_TIMEOUT_S = 60
_REQUEST_ID = "x-openstack-request-id"


def cloud_name(name: str | None = None) -> str:
    """The cloud to work on: `name`, else the configuration's, else the only one of clouds.yaml. Raises InputError."""
    import openstack.config

    chosen = name or config.load().cloud
    if chosen:
        return chosen
    # Both are made up by the library where there is no clouds.yaml.
    known = [n for n in openstack.config.OpenStackConfig().get_cloud_names() if n not in {"envvars", "defaults"}]
    if len(known) == 1:
        return str(known[0])
    raise InputError(
        _("No cloud was named, and clouds.yaml has {count}.").format(count=len(known)),
        _("Say --cloud NAME, or set cloud: NAME in the configuration."),
    )


@lru_cache
def connect(name: str) -> Cloud:
    """The cloud of that name in clouds.yaml, authenticated. Raises InputError naming it when that fails."""
    import keystoneauth1.exceptions
    import openstack
    import openstack.exceptions

    try:
        connection = openstack.connect(
            cloud=name,
            compute_default_microversion=_COMPUTE,
            block_storage_default_microversion=_VOLUME,
            placement_default_microversion=_PLACEMENT,
        )
        # First of all: whatever fails from here on may quote it.
        learn(connection.config.config.get("auth", {}).get("password"))
        connection.config.get_session_client("identity")
        learn(connection.authorize())
    except openstack.exceptions.ConfigException as e:
        raise InputError(
            _("clouds.yaml has no usable cloud {name}: {error}").format(name=name, error=e),
            _("Set OS_CLIENT_CONFIG_FILE, or correct ~/.config/openstack/clouds.yaml."),
        ) from e
    except (openstack.exceptions.SDKException, keystoneauth1.exceptions.ClientException) as e:
        raise InputError(
            _("Cloud {name} refuses, or can't be reached: {error}").format(name=name, error=str(e).splitlines()[0]),
            _("Check auth_url, user and password in clouds.yaml."),
        ) from e
    return Cloud(name, connection)


class Cloud:
    """One cloud, seen from one project."""

    def __init__(self, name: str, connection: Any) -> None:
        self.name = name
        self.sdk = connection
        self.project_id: str = connection.current_project_id

    def _call(
        self,
        service: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | Iterator[bytes] | None = None,
        *,
        missing_ok: bool = False,
        microversion: str | None = None,
        timeout_s: float = _TIMEOUT_S,
        kind: str = "",
    ) -> Any:
        """One API call on the service's adapter; its JSON, or None for an empty answer (or a 404 with `missing_ok`).

        A body of bytes, or of pieces of bytes, is sent as it is, anything else as JSON. `microversion` is asked for instead of the
        adapter's own; "" asks for none. `kind` is the media type of the body, where it is another one.
        """
        import keystoneauth1.exceptions

        adapter = self._adapter(service)
        as_it_is = isinstance(body, bytes | Iterator)
        data = body if body is None or as_it_is else orjson.dumps(body)
        kind = kind or ("application/octet-stream" if as_it_is else "application/json")
        headers = {"Content-Type": kind} if body is not None else {}
        version = adapter.default_microversion if microversion is None else microversion
        try:
            reply = adapter.request(
                path,
                method,
                data=data,
                headers=headers,
                raise_exc=False,
                timeout=timeout_s,
                **({"microversion": version} if version else {}),
            )
        except keystoneauth1.exceptions.ClientException as e:
            _told(self.name, service, method, path, type(e).__name__)
            raise StepFailed(
                _("The API {service} of cloud {name} does not answer: {error}").format(
                    service=service, name=self.name, error=str(e).splitlines()[0]
                )
            ) from e
        _told(self.name, service, method, path, f"{reply.status_code} {reply.headers.get(_REQUEST_ID, '')}".strip())
        if reply.status_code == 404 and missing_ok:
            return None
        if reply.status_code >= 400:
            raise ApiError(service, method, path, reply.status_code, _fault(reply.text))
        return orjson.loads(reply.content) if reply.content and reply.content[:1] in b"{[" else None

    def _adapter(self, service: str) -> Any:
        import openstack.exceptions

        try:
            return getattr(self.sdk, service)
        except openstack.exceptions.SDKException as e:
            raise InputError(
                _("Cloud {name} has no service {service} in its catalogue.").format(name=self.name, service=service),
                _("Check: openstack catalog list"),
            ) from e

    def fetch(self, service: str, path: str, first: int | None = None, last: int | None = None) -> Any:
        """GET of a body that is no JSON: a `requests.Response`, to be read piece by piece and closed by the caller.

        With `first` and `last` these bytes alone are asked for; whether they came, status 206 and Content-Range say. Raises
        StepFailed when nobody answers.
        """
        import keystoneauth1.exceptions

        headers = {"Accept": "application/octet-stream"}
        if first is not None:
            headers["Range"] = f"bytes={first}-{'' if last is None else last}"
        try:
            return self._adapter(service).request(
                path, "GET", headers=headers, raise_exc=False, stream=True, timeout=_TIMEOUT_S
            )
        except keystoneauth1.exceptions.ClientException as e:
            raise StepFailed(
                _("The API {service} of cloud {name} does not answer: {error}").format(
                    service=service, name=self.name, error=str(e).splitlines()[0]
                )
            ) from e

    def get(
        self,
        service: str,
        path: str,
        *,
        missing_ok: bool = False,
        microversion: str | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> Any:
        """GET; None for a 404 with `missing_ok`."""
        return self._call(service, "GET", path, missing_ok=missing_ok, microversion=microversion, timeout_s=timeout_s)

    def has(self, kind: str) -> bool:
        """Whether the catalogue has a service of this type (``load-balancer``)."""
        session = self.sdk.session
        return any(entry.get("type") == kind for entry in session.auth.get_access(session).service_catalog.catalog)

    def microversion(self, service: str, at_most: str) -> str | None:
        """The newest microversion that the service and we both know, ours being `at_most`; None where it has none.

        The answer of the service is kept: only the first question for it costs a call. Raises StepFailed.
        """
        import keystoneauth1.exceptions
        from openstack import utils

        try:
            found = utils.maximum_supported_microversion(getattr(self.sdk, service), at_most)
        except keystoneauth1.exceptions.ClientException as e:
            raise StepFailed(
                _("The API {service} of cloud {name} does not answer: {error}").format(
                    service=service, name=self.name, error=str(e).splitlines()[0]
                )
            ) from e
        return None if found is None else str(found)

    def post(self, service: str, path: str, body: Mapping[str, Any], *, microversion: str | None = None) -> Any:
        """POST. `microversion`: see `_call`."""
        return self._call(service, "POST", path, body, microversion=microversion)

    def put(
        self,
        service: str,
        path: str,
        body: Mapping[str, Any] | bytes | Iterator[bytes] | None,
        *,
        microversion: str | None = None,
    ) -> Any:
        """PUT; bytes, and pieces of bytes, are sent as they are. `microversion`: see `_call`."""
        return self._call(service, "PUT", path, body, microversion=microversion)

    def patch_image(self, image: str, changes: Iterable[Mapping[str, Any]]) -> None:
        """Change properties of a Glance image, by JSON patch."""
        kind = "application/openstack-images-v2.1-json-patch"
        self._call("image", "PATCH", f"/images/{image}", orjson.dumps(list(changes)), kind=kind)

    def delete(self, service: str, path: str, *, microversion: str | None = None) -> None:
        """DELETE; something that is gone already is fine. `microversion`: see `_call`."""
        self._call(service, "DELETE", path, missing_ok=True, microversion=microversion)

    def list(self, service: str, path: str, key: str, *, microversion: str | None = None) -> list[dict[str, Any]]:
        """All entries of a listing, page after page (links named ``KEY_links`` with rel next). `microversion`: see `_call`."""
        found: list[dict[str, Any]] = []
        next_path: str | None = path
        while next_path:
            page = self.get(service, next_path, microversion=microversion)
            found += page[key]
            links: Iterable[Mapping[str, str]] = page.get(f"{key}_links") or []
            href = next((link["href"] for link in links if link.get("rel") == "next"), None)
            # The link may name another host than the one that we reach the API by.
            next_path = f"{path.partition('?')[0]}?{href.partition('?')[2]}" if href and page[key] else None
        return found


def client_command(cloud: str, *words: str) -> str:
    """A command of the openstack client for a person to type."""
    return shlex.join(["openstack", *(["--os-cloud", cloud] if cloud else []), *words])


def _told(cloud: str, service: str, method: str, path: str, result: str) -> None:
    # What only reads is no effect.
    if method != "GET":
        tracing.tell("api", f"{cloud} {service}", f"{method} {path.partition('?')[0]}", result)


class ApiError(BlueWizardError):
    """An API refused a call. `status` is the HTTP status."""

    def __init__(self, service: str, method: str, path: str, status: int, fault: str) -> None:
        super().__init__(
            _("{service} refused {method} {path} ({status}): {fault}").format(
                service=service, method=method, path=path.partition("?")[0], status=status, fault=fault
            )
        )
        self.status = status


def _fault(text: str) -> str:
    """The message inside an API's error body."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.strip()[:300]
    for value in [data, *data.values()] if isinstance(data, dict) else []:
        if isinstance(value, dict) and isinstance(value.get("message"), str):
            return str(value["message"])
        if isinstance(value, str):
            return value
    return text[:300]
