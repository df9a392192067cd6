"""Reviews in Kubernetes' binary form: typed Go clients ask about themselves in it and take JSON for an answer.

Source: Kubernetes' documentation, "Kubernetes Protobuf encoding" (four bytes ``k8s\\0``, then ``runtime.Unknown``), and
the field numbers of ``authorization/v1`` ``generated.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from triage.lab.cluster.objects import Json

PROTOBUF = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_TYPE_META, _RAW = 1, 2
_TYPE_FIELDS = {1: "apiVersion", 2: "kind"}
_SPEC = 2
_RESOURCE_FIELDS = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name"}
_URL_FIELDS = {1: "path", 2: "verb"}
_RULES_FIELDS = {1: "namespace"}


class NotReadable(Exception):
    """Bytes that are no object in this form."""


def decode_review(body: bytes) -> Json:
    """The review as JSON: ``apiVersion``, ``kind`` and what its kind asks with. Raises :class:`NotReadable`."""
    if not body.startswith(_MAGIC):
        raise NotReadable("it does not begin with the four bytes k8s and zero")
    envelope = dict(_fields(body[len(_MAGIC):]))
    item: Json = {**_texts(envelope.get(_TYPE_META, b""), _TYPE_FIELDS)}
    spec = dict(_fields(dict(_fields(envelope.get(_RAW, b""))).get(_SPEC, b"")))
    if item.get("kind") == "SelfSubjectAccessReview":
        named = {1: ("resourceAttributes", _RESOURCE_FIELDS), 2: ("nonResourceAttributes", _URL_FIELDS)}
        item["spec"] = {name: _texts(spec[number], texts) for number, (name, texts) in named.items() if number in spec}
    elif item.get("kind") == "SelfSubjectRulesReview":
        item["spec"] = {name: _text(spec[number]) for number, name in _RULES_FIELDS.items() if number in spec}
    return item


def _texts(message: bytes, names: Mapping[int, str]) -> dict[str, str]:
    """The text fields of a message by name; absent and empty are the same."""
    return {names[number]: _text(value) for number, value in _fields(message) if number in names}


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise NotReadable(f"a text is not UTF-8: {error}") from None


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, value) of the length-delimited fields; those of other types are passed over."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:
                _, at = _varint(message, at)
            case 1:
                at += 8
            case 2:
                length, at = _varint(message, at)
                if at + length > len(message):
                    raise NotReadable("a field is longer than its message")
                yield tag >> 3, message[at:at + length]
                at += length
            case 5:
                at += 4
            case other:
                raise NotReadable(f"wire type {other} does not exist")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """(value, place after it)."""
    value = 0
    for count, byte in enumerate(message[at:at + 10]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, at + count + 1
    raise NotReadable("a number does not end")
