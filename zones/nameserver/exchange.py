"""Signed DNS messages over TCP: how updates, transfers and read-backs speak to the server, and what its answers mean.

Sources: RFC 8945 (TSIG), RFC 2136 (answers to updates); how BIND 9.18 really answers was tried out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig

from zones.nameserver.endpoint import Endpoint, Key
from zones.nameserver.errors import KeyRefused, NameServerError
from zones.nameserver.peers import Peer
from zones.nameserver.stream import Stream


class Exchange:
    """One TCP connection to a server, on which every message is signed and every answer's signature is checked.

    All of the conversation together takes at most `timeout_s`, each wait `silence_s`. Use as a context manager.
    Raises `Unreachable`, `KeyRefused` or `NameServerError` (`bad_answer`, `too_large`).
    """

    def __init__(self, endpoint: Endpoint | Peer, *, timeout_s: float = 10.0, silence_s: float = 10.0) -> None:
        """With an `Endpoint`: our own server. With a `Peer`: another one, see `signed_with`."""
        ours = isinstance(endpoint, Endpoint)
        self.who = "the name server" if ours else "the other server"
        self._key: Key | None = endpoint.tsig if isinstance(endpoint, Endpoint) else None
        host = endpoint.host if isinstance(endpoint, Endpoint) else endpoint.address
        self._stream = Stream(self.who, host, endpoint.port, timeout_s=timeout_s, silence_s=silence_s)

    def signed_with(self, key: Key | None) -> Self:
        """Sign with another key, or not at all, which only servers other than ours are asked."""
        self._key = key
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stream.__exit__(None, None, None)

    def ask(self, message: dns.message.Message) -> dns.message.Message:
        """Send one message and return the answer to it."""
        return next(self.ask_for_many(message))

    def ask_for_many(self, message: dns.message.Message) -> Iterator[dns.message.Message]:
        """Send one message and return its answers, of which a transfer has any number: the caller knows when to stop."""
        with self._explained():
            if self._key is not None:
                message.use_tsig(self._key.tsig())
            wire = message.to_wire()
            self._stream.send(struct.pack("!H", len(wire)) + wire)
        signature = None
        while True:
            with self._explained():
                answer = dns.message.from_wire(
                    self._stream.receive(struct.unpack("!H", self._stream.receive(2))[0]),
                    keyring=message.keyring,
                    request_mac=message.mac,
                    xfr=True,  # names stay absolute
                    tsig_ctx=signature,
                    multi=True,
                )
                signature = answer.tsig_ctx
            if answer.id != message.id:
                raise NameServerError("bad_answer", f"{self.who} answered another question", retry=True)
            if self._key is not None and not answer.had_tsig and signature is None:
                if answer.rcode() == dns.rcode.FORMERR:  # it did not get as far as the signature
                    raise NameServerError(
                        "not_understood",
                        f"{self.who} cannot read the message (FORMERR): a value in it is not one of its type",
                    )
                raise NameServerError(
                    "bad_answer", f"the answer of {self.who} is not signed: {dns.rcode.to_text(answer.rcode())}"
                )
            yield answer

    def lookup(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.message.Message:
        """Ask for one RRset of the server's own zones: without recursion, so that no response policy rewrites it."""
        query = dns.message.make_query(name, kind)
        query.flags &= ~dns.flags.RD
        return self.ask(query)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        key = f"“{self._key.name}” ({self._key.algorithm})" if self._key is not None else "of nobody"
        try:
            yield
        except dns.tsig.PeerBadKey as error:
            raise KeyRefused("key_unknown", f"{self.who} does not know the TSIG key {key}") from error
        except dns.tsig.PeerBadSignature as error:
            raise KeyRefused("key_wrong", f"{self.who} has another secret for the TSIG key {key}") from error
        except dns.tsig.PeerBadTime as error:
            raise KeyRefused(
                "clock_skew",
                f"the clocks of this machine and of {self.who} differ by more than 5 minutes",
                retry=True,
            ) from error
        except (dns.tsig.BadSignature, dns.tsig.BadKey, dns.tsig.BadAlgorithm, dns.tsig.PeerError) as error:
            raise KeyRefused("key_wrong", f"the answer is not signed with the TSIG key {key}: {error}") from error
        except dns.exception.TooBig as error:
            raise NameServerError("too_large", "the change does not fit into one DNS message (64 KiB)") from error
        except dns.exception.DNSException as error:
            raise NameServerError("bad_answer", f"the answer of {self.who} cannot be read: {error}") from error
