"""As much of ``/openapi/v2`` as clients look for before a dry run: which kinds take ``dryRun`` in a patch.

kubectl before 1.25 reads it in the binary form of gnostic's ``openapi.v2.Document`` and refuses ``--dry-run=server``
for kinds that it does not find; everything else in the document it can do without.
"""

from __future__ import annotations

import json

from triage.lab.cluster.objects import Json
from triage.lab.cluster.resources import RESOURCES, Resource

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""Clients ask for it with an ``@`` before its version, which Go refuses to read in an answer."""
_GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
# Field numbers of the messages (gnostic, ``openapiv2/OpenAPIv2.proto``).
_DOCUMENT_SWAGGER, _DOCUMENT_INFO, _DOCUMENT_PATHS = 1, 2, 8
_INFO_TITLE, _INFO_VERSION = 1, 2
_PATHS_PATH, _PATH_ITEM_PATCH = 2, 8
_NAMED_NAME, _NAMED_VALUE = 1, 2
_OPERATION_PARAMETERS, _OPERATION_EXTENSION = 8, 13
_PARAMETERS_ITEM_PARAMETER, _PARAMETER_NON_BODY, _NON_BODY_QUERY, _QUERY_NAME = 1, 2, 3, 4
_ANY_YAML = 2


def openapi_v2(*, protobuf: bool) -> tuple[bytes, str]:
    """(body, media type)."""
    if protobuf:
        return _document(), PROTOBUF
    return json.dumps(_as_json()).encode(), "application/json"


def _patchable() -> list[Resource]:
    return [each for each in RESOURCES if "patch" in each.verbs]


def _path(resource: Resource) -> str:
    prefix = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{prefix}/namespaces/{{namespace}}/{resource.plural}/{{name}}"


def _kind(resource: Resource) -> Json:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _as_json() -> Json:
    parameter = {"name": "dryRun", "in": "query", "type": "string", "uniqueItems": True}
    paths = {_path(each): {"patch": {_GROUP_VERSION_KIND: _kind(each), "parameters": [parameter],
                                     "responses": {"200": {"description": "OK"}}}} for each in _patchable()}
    return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": "lab"}, "paths": paths, "definitions": {}}


def _document() -> bytes:
    info = _field(_INFO_TITLE, b"Kubernetes") + _field(_INFO_VERSION, b"lab")
    paths = b"".join(_field(_PATHS_PATH, _named(_path(each), _field(_PATH_ITEM_PATCH, _operation(each))))
                     for each in _patchable())
    return (_field(_DOCUMENT_SWAGGER, b"2.0") + _field(_DOCUMENT_INFO, info) + _field(_DOCUMENT_PATHS, paths))


def _operation(resource: Resource) -> bytes:
    query = _field(_QUERY_NAME, b"dryRun")
    parameter = _field(_PARAMETERS_ITEM_PARAMETER, _field(_PARAMETER_NON_BODY, _field(_NON_BODY_QUERY, query)))
    # JSON is YAML, which is what the value holds.
    kind = _field(_ANY_YAML, json.dumps(_kind(resource)).encode())
    return (_field(_OPERATION_PARAMETERS, parameter)
            + _field(_OPERATION_EXTENSION, _named(_GROUP_VERSION_KIND, kind)))


def _named(name: str, value: bytes) -> bytes:
    return _field(_NAMED_NAME, name.encode()) + _field(_NAMED_VALUE, value)


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field of a Protocol Buffers message."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
