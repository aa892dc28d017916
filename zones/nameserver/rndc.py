"""The control channel of `named`: what the `rndc` program speaks, in one class.

Source: BIND 9 `lib/isccc` (cc.c, ccmsg.c). A message is a length, the protocol version 1, and a table. A table is a
row of: length of the key, key, type of the value, length of the value, value. The table `_auth`, always first, holds
the HMAC of all that follows it. The server answers the first command with a nonce that later commands must carry.
"""

from __future__ import annotations

import hmac
import secrets
import struct
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import CommandFailed, KeyRefused, NameServerError, Unreachable
from zones.nameserver.stream import Stream

MAX_COMMAND_BYTES = 32_000
"""`named` closes the connection on messages over 32 KiB; a little is left for the envelope."""

_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_STRING, _BINARY, _TABLE, _LIST = 0, 1, 2, 3
_VALID_S = 60
_ALGORITHMS = {"hmac-sha1": 161, "hmac-sha224": 162, "hmac-sha256": 163, "hmac-sha384": 164, "hmac-sha512": 165}

Table = Mapping[str, Any]
"""Values are `bytes` or tables again."""


class Rndc:
    """Commands to one server. Each call is a connection of its own, so an object may be shared by threads."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float = 5.0) -> None:
        self._address = (endpoint.rndc_host, endpoint.rndc_port)
        self._secret = b64decode(endpoint.rndc_key.secret)
        self._algorithm = endpoint.rndc_key.algorithm
        self._timeout_s = timeout_s

    def call(self, command: str) -> str:
        """Send one command, `zonestatus example.com`, and return the text of the answer (often empty).

        The caller vouches for every word in `command`: names are validated before they come here.
        Raises `Unreachable`, `KeyRefused`, or `CommandFailed` with BIND's own reason.
        """
        if len(command.encode()) > MAX_COMMAND_BYTES:
            raise NameServerError("too_large", f"a command of {len(command.encode())} bytes is too long for named")
        with Stream("the control channel", *self._address, timeout_s=self._timeout_s) as stream:
            conversation = _Conversation(stream, self._algorithm, self._secret)
            conversation.ask("null")
            answer = conversation.ask(command)
        result = int(answer.get("result", "0"))
        if result != 0:
            reason = answer.get("text") or answer.get("err") or f"result {result}"
            raise CommandFailed(command.split(" {")[0], result, " ".join(reason.split()))
        return answer.get("text", "")


class _Conversation:
    """Questions and answers on one connection, in order, each signed."""

    def __init__(self, stream: Stream, algorithm: str, secret: bytes) -> None:
        self._stream = stream
        self._algorithm = algorithm
        self._secret = secret
        self._serial = secrets.randbits(31)
        self._nonce: bytes | None = None

    def ask(self, command: str) -> dict[str, str]:
        self._serial += 1
        now = int(time.time())
        control = {"_ser": b"%d" % self._serial, "_tim": b"%d" % now, "_exp": b"%d" % (now + _VALID_S)}
        if self._nonce is not None:
            control["_nonce"] = self._nonce
        signed = _encoded({"_ctrl": control, "_data": {"type": command.encode()}})
        auth = _encoded({"_auth": {"hsha": self._signature(signed)}})
        self._stream.send(struct.pack(">II", 4 + len(auth) + len(signed), 1) + auth + signed)
        return self._answer()

    def _answer(self) -> dict[str, str]:
        try:
            length, version = struct.unpack(">II", self._stream.receive(8))
        except Unreachable as error:
            if error.code != "closed" or self._nonce is not None:
                raise
            raise KeyRefused(
                "key_wrong",
                f"{self._stream.peer} closes the connection: it does not accept our rndc key, "
                "or the clocks differ by more than 5 minutes",
            ) from error
        if version != 1 or not 4 <= length <= _MAX_ANSWER_BYTES:
            raise NameServerError("bad_answer", "this is not the control channel of a BIND name server")
        try:
            return self._checked(self._stream.receive(length - 4))
        except (struct.error, IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise NameServerError("bad_answer", "the control channel's answer cannot be read") from error

    def _checked(self, body: bytes) -> dict[str, str]:
        items = _items(body)
        key, auth, end = next(items)
        if key != "_auth" or not hmac.compare_digest(auth["hsha"], self._signature(body[end:])):
            raise KeyRefused("key_wrong", "the control channel's answer is not signed with our rndc key")
        rest = {key: value for key, value, _ in items}
        control, data = rest["_ctrl"], rest["_data"]
        if control["_ser"] != b"%d" % self._serial:
            raise NameServerError("bad_answer", "the control channel answered another question")
        self._nonce = control["_nonce"]
        return {key: value.decode() for key, value in data.items() if isinstance(value, bytes)}

    def _signature(self, data: bytes) -> bytes:
        digest = hmac.digest(self._secret, data, self._algorithm.removeprefix("hmac-"))
        return struct.pack("B88s", _ALGORITHMS[self._algorithm], b64encode(digest))


def _encoded(table: Table) -> bytes:
    data = bytearray()
    for key, value in table.items():
        kind, content = (_BINARY, value) if isinstance(value, bytes) else (_TABLE, _encoded(value))
        data += struct.pack("B", len(key)) + key.encode() + struct.pack(">BI", kind, len(content)) + content
    return bytes(data)


def _items(data: bytes) -> Iterator[tuple[str, Any, int]]:
    """Key, value and end offset of each entry of an encoded table."""
    offset = 0
    while offset < len(data):
        key_end = offset + 1 + data[offset]
        kind, length = struct.unpack_from(">BI", data, key_end)
        start, end = key_end + 5, key_end + 5 + length
        if end > len(data):
            raise IndexError
        content = data[start:end]
        value = {key: value for key, value, _ in _items(content)} if kind == _TABLE else content
        yield data[offset + 1 : key_end].decode(), value, end
        offset = end
