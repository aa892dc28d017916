"""Other name servers, and keys shared with them, as they come over the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from zones.models import Zone, ZoneKind
from zones.nameserver.endpoint import Key
from zones.nameserver.errors import BadName
from zones.nameserver.peers import Peer, peer, peer_from_text
from zones.transfer_keys import checked_key, keep


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "example": "192.0.2.1 port 5300"},
            {
                "type": "object",
                "required": ["address"],
                "properties": {
                    "address": {"type": "string"},
                    "port": {"type": "integer", "default": 53},
                    "key": {"type": "string", "description": "Name of a TSIG key that the name server knows."},
                },
            },
        ]
    }
)
class PeerField(serializers.Field):
    """`{address, port, key}`, or in words: `192.0.2.1`, `192.0.2.1:5300`, `2001:db8::1 port 5300`."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        try:
            if isinstance(data, str):
                return _plain(peer_from_text(data))
            if isinstance(data, Mapping) and isinstance(data.get("address"), str) and not set(data) - _FIELDS:
                port, key = data.get("port", 53), data.get("key") or ""
                if isinstance(port, int) and not isinstance(port, bool) and isinstance(key, str):
                    return _plain(peer(data["address"], port, key))
        except BadName as error:
            raise serializers.ValidationError(error.message, code=error.code) from error
        raise serializers.ValidationError("Write an address, or {address, port, key}.", code="invalid")

    def to_representation(self, value: Any) -> Any:
        return value


_FIELDS = {"address", "port", "key"}


def _plain(server: Peer) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(server)
    return plain


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "example": "hmac-sha256:transfer-key:c2VjcmV0…"},
            {
                "type": "object",
                "required": ["name", "secret"],
                "properties": {
                    "name": {"type": "string"},
                    "algorithm": {"type": "string", "default": "hmac-sha256"},
                    "secret": {"type": "string", "format": "password"},
                },
            },
        ]
    }
)
class TsigField(serializers.Field):
    """A TSIG key: `{name, algorithm, secret}`, or as `dig -y` takes it: `[algorithm:]name:secret`."""

    def to_internal_value(self, data: Any) -> Key:
        try:
            if isinstance(data, str) and 1 <= data.count(":") <= 2:
                *algorithm, name, secret = data.split(":")
                return checked_key(name, "".join(algorithm), secret)
            if isinstance(data, Mapping) and {"name", "secret"} <= data.keys() <= {"name", "algorithm", "secret"}:
                return checked_key(str(data["name"]), str(data.get("algorithm") or ""), str(data["secret"]))
        except BadName as error:
            raise serializers.ValidationError(error.message, code=error.code) from error
        raise serializers.ValidationError(
            "Write the key as algorithm:name:secret, the secret in base64.", code="invalid"
        )

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError("a key is never shown")


def with_servers(asked: Mapping[str, Any], kind: str, zone: Zone | None = None) -> dict[str, Any]:
    """What was asked of a zone, with its servers in the one form that `zones.lifecycle` takes. A key is kept on the way.
    zone: the one that it is asked of, if it is there already.

    Raises `ValidationError` for what does not belong to the kind of zone.
    """
    fields = dict(asked)
    wanted = {ZoneKind.SECONDARY: "primaries", ZoneKind.FORWARD: "forwarders"}.get(ZoneKind(kind))
    for name in ("primaries", "forwarders"):
        given = fields.pop(name, None)
        if given is None:
            continue
        if name != wanted and given:
            raise serializers.ValidationError({name: f"A {kind} zone has no {name}."}, code="unwanted")
        if name == wanted:
            fields["servers"] = given
    key = fields.pop("tsig", None)
    if key is not None:
        if kind != ZoneKind.SECONDARY or "servers" not in fields:
            raise serializers.ValidationError({"tsig": "A key goes with the primaries of a zone."}, code="unwanted")
        try:
            if keep(key, zone) and zone is not None:
                fields["rekeyed"] = True
        except BadName as error:
            raise serializers.ValidationError({"tsig": error.message}, code=error.code) from error
        fields["servers"] = [{**server, "key": server["key"] or key.name} for server in fields["servers"]]
    return fields
