"""The answer to ``GET /openapi/v2`` by which older versions of kubectl learn that a kind knows server-side dry runs.

They only take it as protobuf (github.com/google/gnostic-models, openapiv2/OpenAPIv2.proto names the fields); of the document they
read the patches of objects, the kind of each and its parameters' names.
"""

from __future__ import annotations

TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def _field(number: int, value: str | bytes) -> bytes:
    """One field that holds text or another message."""
    data = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(data)) + data


def _number(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def _path(path: str, group: str, version: str, kind: str) -> bytes:
    query = _field(2, "query") + _field(4, "dryRun")
    parameter = _field(8, _field(1, _field(2, _field(3, query))))
    marks = f"group: {group!r}\nkind: {kind}\nversion: {version}\n"
    mark = _field(13, _field(1, "x-kubernetes-group-version-kind") + _field(2, _field(2, marks)))
    return _field(2, _field(1, path) + _field(2, _field(8, parameter + mark)))


def document() -> bytes:
    """Nodes and pods can be patched as a dry run."""
    paths = _path("/api/v1/nodes/{name}", "", "v1", "Node")
    paths += _path("/api/v1/namespaces/{namespace}/pods/{name}", "", "v1", "Pod")
    return _field(1, "2.0") + _field(2, _field(1, "Kubernetes") + _field(2, "v1.32.4")) + _field(8, paths)
