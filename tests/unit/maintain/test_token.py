"""A token that ends in the middle of a job, against a Keystone and a Nova that speak HTTP."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.maintain import patient
from blue_wizard.reach import openstack

from .fakes import Context


class _Keystone(http.server.BaseHTTPRequestHandler):
    """Keystone and Nova in one: each token is good for three calls."""

    good: dict[str, int]

    def log_message(self, *_args: Any) -> None:
        pass

    def _say(self, status: int, body: dict[str, Any], **headers: str) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        port = self.server.server_address[1]
        name = f"token{len(self.good)}"
        self.good[name] = 3
        url = f"http://127.0.0.1:{port}"
        services = [("identity", "/v3"), ("compute", "/v2.1")]
        catalog = [
            {"type": kind, "name": kind, "id": kind,
             "endpoints": [{"interface": "public", "region": "R", "region_id": "R", "id": kind, "url": url + path}]}
            for kind, path in services
        ]  # fmt: skip
        # By its own date it is good for a year: only the service says that it is not.
        token = {"expires_at": "2099-01-01T00:00:00Z", "issued_at": "2026-01-01T00:00:00Z", "methods": ["password"],
                 "user": {"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}},
                 "project": {"id": "p", "name": "p", "domain": {"id": "default", "name": "Default"}},
                 "roles": [], "catalog": catalog}  # fmt: skip
        self._say(201, {"token": token}, X_Subject_Token=name)

    def do_GET(self) -> None:
        if "/servers/" in self.path:
            token = self.headers.get("X-Auth-Token", "")
            self.good[token] = self.good.get(token, 0) - 1
            self._say(
                *(
                    (200, {"server": {"id": "s1"}})
                    if self.good[token] >= 0
                    else (401, {"error": {"message": "expired"}})
                )
            )
            return
        url = f"http://127.0.0.1:{self.server.server_address[1]}{self.path}"
        links = [{"rel": "self", "href": url}]
        version = {"id": "v3.14", "status": "stable", "links": links}
        if "/v3" not in self.path:
            version = {"id": "v2.1", "status": "CURRENT", "version": "2.93", "min_version": "2.1", "links": links}
        self._say(200, {"version": version, "versions": [version]})


@pytest.fixture
def keystone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    good: dict[str, int] = {}
    handler = type("Handler", (_Keystone,), {"good": good})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server_:
        threading.Thread(target=server_.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server_.server_address[1]}/v3"
        auth = {"auth_url": url, "username": "u", "password": "secret", "project_name": "p",
                "user_domain_id": "default", "project_domain_id": "default"}  # fmt: skip
        file = tmp_path / "clouds.yaml"
        file.write_text(json.dumps({"clouds": {"brief": {"auth": auth, "region_name": "R"}}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
        openstack.connect.cache_clear()
        yield good
        server_.shutdown()
        openstack.connect.cache_clear()


@pytest.mark.failure("b21")
def test_an_expired_token_is_replaced_by_a_new_one(keystone: dict[str, int]) -> None:
    cloud, ctx = openstack.connect("brief"), Context()
    for _again in range(10):
        assert patient.Patient(cloud, ctx).get("compute", "/servers/s1")["server"]["id"] == "s1"
    assert len(keystone) > 3
    assert ctx.events == []
