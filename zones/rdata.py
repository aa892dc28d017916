"""Record types and their rdata: one declaration per type, from which forms, validation and the API come.

Contents are presentation text (RFC 1035, section 5.1, and the RFC of each type). `canonical()` brings what people type
into the one form that is stored and compared: absolute names in lower case and A-labels, and what dnspython writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Literal

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.LOC
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.tokenizer
import msgspec

from zones.names import IDNA, explain

FieldKind = Literal["name", "integer", "text", "ipv4", "ipv6", "choice", "hex", "base64"]

MAX_RDATA = 65535
"""Octets of rdata on the wire: its length is a 16-bit number (RFC 1035, section 3.2.1)."""

LINE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Control characters, the tab excepted: none belongs into a value on one line."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the content, in the order in which the parts are written, separated by spaces.

    least, most: limits of an integer. choices: values and what they mean, the one to propose first; others may be typed
    as text all the same.
    quoted: written between double quotes. A last field of unquoted text, hex or base64 takes all that is left.
    """

    name: str
    label: str
    kind: FieldKind
    help: str = ""
    least: int | None = None
    most: int | None = None
    choices: tuple[tuple[str, str], ...] | None = None
    quoted: bool = False


class RecordType(msgspec.Struct, frozen=True, kw_only=True):
    """A type that people make records of. targets: it points to a host, which should exist and be no alias."""

    name: str
    label: str
    help: str
    example: str
    fields: tuple[Field, ...]
    targets: bool = False


def _name(name: str = "target", label: str = "Host name", help: str = "") -> Field:
    return Field(name=name, label=label, kind="name", help=help or "Relative to the zone, or whole with a final dot.")


def _integer(name: str, label: str, most: int = 65535, help: str = "") -> Field:
    return Field(name=name, label=label, kind="integer", least=0, most=most, help=help)


def _text(name: str, label: str, help: str = "", *, quoted: bool = False) -> Field:
    return Field(name=name, label=label, kind="text", help=help, quoted=quoted)


def _choice(name: str, label: str, help: str = "", /, **choices: str) -> Field:
    """Choices by value; numbers are written `_13="…"`, because a name in Python cannot begin with a digit."""
    known = tuple((value.removeprefix("_"), meaning) for value, meaning in choices.items())
    return Field(name=name, label=label, kind="choice", help=help, choices=known)


_HASH_FIELDS = (
    _integer("key_tag", "Key tag"),
    _choice(
        "algorithm",
        "Algorithm",
        _13="ECDSA P-256",
        _14="ECDSA P-384",
        _15="Ed25519",
        _16="Ed448",
        _8="RSA/SHA-256",
        _10="RSA/SHA-512",
        _5="RSA/SHA-1, outdated",
    ),
    _choice("digest_type", "Digest type", _2="SHA-256", _4="SHA-384", _1="SHA-1, outdated"),
    Field(name="digest", label="Digest", kind="hex"),
)
_CERTIFICATE_FIELDS = (
    _choice(
        "usage",
        "Usage",
        _3="this certificate, whoever issued it",
        _2="an authority of one's own",
        _1="this certificate, from a public authority",
        _0="a public authority",
    ),
    _choice("selector", "Selector", _1="the public key", _0="the whole certificate"),
    _choice("matching_type", "Matching type", _1="SHA-256", _2="SHA-512", _0="not hashed"),
    Field(name="association", label="Certificate data", kind="hex"),
)
_SERVICE_FIELDS = (
    _integer("priority", "Priority", help="0: alias of the target; lower is tried first"),
    _name(help="A final dot alone means the name of the record itself."),
    _text("parameters", "Parameters", "key=value, separated by spaces"),
)
_SECONDS = 2**31 - 1

_DECLARED = (
    RecordType(
        name="A",
        label="IPv4 address",
        help="The IPv4 address of a host.",
        example="192.0.2.10",
        fields=(Field(name="address", label="IPv4 address", kind="ipv4"),),
    ),
    RecordType(
        name="AAAA",
        label="IPv6 address",
        help="The IPv6 address of a host.",
        example="2001:db8::10",
        fields=(Field(name="address", label="IPv6 address", kind="ipv6"),),
    ),
    RecordType(
        name="CNAME",
        label="Alias",
        help="Another name for a host. Nothing else may have this name.",
        example="www.example.com.",
        fields=(_name(),),
        targets=True,
    ),
    RecordType(
        name="MX",
        label="Mail server",
        help="Where mail for this name goes.",
        example="10 mail.example.com.",
        fields=(_integer("preference", "Preference", help="Lower is tried first."), _name("exchange", "Mail server")),
        targets=True,
    ),
    RecordType(
        name="TXT",
        label="Text",
        help="Text in strings of at most 255 octets each: SPF, DKIM, proofs of ownership.",
        example='"v=spf1 mx -all"',
        fields=(_text("text", "Text", "Longer text is split into several strings.", quoted=True),),
    ),
    RecordType(
        name="NS",
        label="Name server",
        help="A name server of this zone, or of one below it.",
        example="ns1.example.com.",
        fields=(_name(label="Name server"),),
        targets=True,
    ),
    RecordType(
        name="SRV",
        label="Service",
        help="Host and port of a service, at a name such as _sip._tcp.",
        example="10 60 5060 sip.example.com.",
        fields=(
            _integer("priority", "Priority", help="Lower is tried first."),
            _integer("weight", "Weight"),
            _integer("port", "Port"),
            _name(help="A final dot alone means that there is no such service."),
        ),
        targets=True,
    ),
    RecordType(
        name="PTR",
        label="Pointer",
        help="The name of an address, in a zone below in-addr.arpa or ip6.arpa.",
        example="host.example.com.",
        fields=(_name(),),
        targets=True,
    ),
    RecordType(
        name="CAA",
        label="Certificate authority",
        help="Who may issue certificates for this name (RFC 8659).",
        example='0 issue "ca.example.net"',
        fields=(
            _integer("flags", "Flags", 255, "128: refuse when the tag is not understood"),
            _choice(
                "tag",
                "Tag",
                issue="may issue certificates",
                issuewild="may issue wildcard certificates",
                issuemail="may issue certificates for mail",
                iodef="where to report violations",
            ),
            _text("value", "Value", quoted=True),
        ),
    ),
    RecordType(
        name="SOA",
        label="Start of authority",
        help="The zone's own record. The serial is kept by the name server.",
        example="ns1.example.com. hostmaster.example.com. 0 10800 3600 604800 3600",
        fields=(
            _name("mname", "Primary name server"),
            _name("rname", "Contact", "A mail address with a dot in place of the @."),
            _integer("serial", "Serial", 2**32 - 1, "Kept by the name server; what is written here is ignored."),
            _integer("refresh", "Refresh", _SECONDS, "Seconds between two looks of a secondary."),
            _integer("retry", "Retry", _SECONDS, "Seconds after a failed look."),
            _integer("expire", "Expire", _SECONDS, "Seconds after which a secondary gives up."),
            _integer("minimum", "Negative TTL", _SECONDS, "Seconds that a missing name may be remembered."),
        ),
    ),
    RecordType(
        name="DNAME",
        label="Alias of a subtree",
        help="Everything below this name is found below another (RFC 6672).",
        example="example.net.",
        fields=(_name(label="Domain name"),),
    ),
    RecordType(
        name="DS",
        label="Delegation signer",
        help="Digest of the key of a signed zone below this one (RFC 4034).",
        example="12345 13 2 49FD46E6C4B45C55D4AC49FD46E6C4B45C55D4AC49FD46E6C4B45C55D4AC49FD",
        fields=_HASH_FIELDS,
    ),
    RecordType(
        name="HTTPS",
        label="HTTPS service",
        help="How to reach a web site: protocols, ports, hints (RFC 9460).",
        example="1 . alpn=h2,h3",
        fields=_SERVICE_FIELDS,
    ),
    RecordType(
        name="SVCB",
        label="Service binding",
        help="How to reach a service: protocols, ports, hints (RFC 9460).",
        example="1 svc.example.com. port=8443",
        fields=_SERVICE_FIELDS,
    ),
    RecordType(
        name="SSHFP",
        label="SSH fingerprint",
        help="Fingerprint of a host's SSH key (RFC 4255).",
        example="4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789",
        fields=(
            _choice("algorithm", "Algorithm", _4="Ed25519", _3="ECDSA", _1="RSA", _6="Ed448", _2="DSA, outdated"),
            _choice("fingerprint_type", "Fingerprint type", _2="SHA-256", _1="SHA-1, outdated"),
            Field(name="fingerprint", label="Fingerprint", kind="hex"),
        ),
    ),
    RecordType(
        name="TLSA",
        label="TLS certificate",
        help="Which certificate a service has, at a name such as _443._tcp.www (RFC 6698).",
        example="3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        fields=_CERTIFICATE_FIELDS,
    ),
    RecordType(
        name="SMIMEA",
        label="Mail certificate",
        help="The S/MIME certificate of a mail address, at a name below _smimecert (RFC 8162).",
        example="3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        fields=_CERTIFICATE_FIELDS,
    ),
    RecordType(
        name="OPENPGPKEY",
        label="OpenPGP key",
        help="The OpenPGP key of a mail address, at a name below _openpgpkey (RFC 7929).",
        example="mDMEZm9vYhYJKwYBBAHaRw8BAQdA",
        fields=(Field(name="key", label="Public key", kind="base64", help="In base64, without the armour."),),
    ),
    RecordType(
        name="NAPTR",
        label="Naming authority pointer",
        help="Rewriting rules, mostly for telephony (RFC 3403).",
        example='100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .',
        fields=(
            _integer("order", "Order"),
            _integer("preference", "Preference"),
            _text("flags", "Flags", quoted=True),
            _text("service", "Service", quoted=True),
            _text("regexp", "Regular expression", quoted=True),
            _name("replacement", "Replacement"),
        ),
    ),
    RecordType(
        name="LOC",
        label="Location",
        help="Where something is on Earth (RFC 1876).",
        example="52 22 23.000 N 4 53 32.000 E -2.00m",
        fields=(_text("location", "Location", "Latitude, longitude, altitude."),),
    ),
    RecordType(
        name="URI",
        label="URI",
        help="The address of a service (RFC 7553).",
        example='10 1 "https://www.example.com/path"',
        fields=(
            _integer("priority", "Priority"),
            _integer("weight", "Weight"),
            _text("target", "URI", quoted=True),
        ),
    ),
    RecordType(
        name="HINFO",
        label="Host information",
        help="Processor and operating system of a host.",
        example='"generic" "unix"',
        fields=(_text("cpu", "Processor", quoted=True), _text("os", "Operating system", quoted=True)),
    ),
    RecordType(
        name="RP",
        label="Responsible person",
        help="Whom to ask about a name (RFC 1183).",
        example="hostmaster.example.com. contact.example.com.",
        fields=(
            _name("mbox", "Mailbox", "A mail address with a dot in place of the @."),
            _name("txt", "Name of a TXT record with more"),
        ),
    ),
)

TYPES: Mapping[str, RecordType] = {declared.name: declared for declared in _DECLARED}
"""The types that people make records of, by name, the most usual first. Others are kept when a zone file has them."""

POINTING = frozenset(declared.name for declared in _DECLARED if declared.targets)
"""Types whose rdata ends with the name of a host."""

DNSSEC_TYPES = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY"})
"""Types that the name server makes when it signs a zone; people do not write them."""

META_TYPES = frozenset({"TYPE0", "ANY", "AXFR", "IXFR", "MAILA", "MAILB", "OPT", "TSIG", "TKEY", "NULL", "SIG", "NXT"})
"""What is no record of a zone: types of questions and of messages, and what RFC 3755 made obsolete."""


def catalogue() -> list[RecordType]:
    """The declared types, the most usual first, for forms and documentation."""
    return list(_DECLARED)


@lru_cache(maxsize=1024)
def type_name(text: str) -> str:
    """The name of a record type in its one spelling. Raises `ValueError` for what is none, or none of a zone's."""
    try:
        name = dns.rdatatype.to_text(dns.rdatatype.from_text(text.strip().upper()))
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{text[:20]!r} is not a record type") from error
    if name in META_TYPES or dns.rdatatype.is_metatype(dns.rdatatype.from_text(name)):
        raise ValueError(f"{name} is not a type of records")
    return name


def canonical(rdtype: str, content: str, origin: str) -> str:
    """The stored form of rdata typed as presentation text, whose relative names are completed with the zone `origin`.

    One line, absolute lower-case names in A-labels, the serial of an SOA as 0. Raises `ValueError` in plain words.
    """
    if LINE.search(content):
        raise ValueError("a value is a single line without control characters")
    zone = _origin(origin)
    try:
        parsed = parse(type_name(rdtype), content, zone)
    except (dns.exception.DNSException, ValueError, OverflowError) as error:
        raise ValueError(_explain(rdtype, error)) from error
    if parsed.rdcomment is not None:
        raise ValueError("a semicolon begins a comment, and the rest would be lost: put the text between double quotes")
    names = {
        slot: value.canonicalize()
        for slot in _slots(parsed.__class__)  # type: ignore[arg-type]  # a class is hashable, whatever its objects are
        if isinstance(value := getattr(parsed, slot), dns.name.Name)
    }
    if isinstance(parsed, dns.rdtypes.ANY.SOA.SOA):
        parsed = parsed.replace(serial=0, **names)
    elif names:
        parsed = parsed.replace(**names)
    if len(content) > MAX_RDATA // 4 and len(parsed.to_wire() or b"") > MAX_RDATA:
        raise ValueError(f"the value is longer than {MAX_RDATA} octets (RFC 1035)")
    return written(parsed)


def written(parsed: dns.rdata.Rdata) -> str:
    """Rdata as text that can be read again: in the form of RFC 3597 where its own has nothing to say for what is empty at its
    end, as the key of a `KEY`."""
    text = parsed.to_text()
    return parsed.to_generic().to_text() if not text or text.endswith(" ") else text


def one_text(text: str) -> str:
    """The rdata of a TXT for text that was typed without double quotes: one text, with its spaces and semicolons, in strings
    of at most 255 octets. Raises `ValueError`."""
    try:
        octets = dns.tokenizer.Tokenizer(f'"{text}"').get().unescape_to_bytes().value
    except dns.exception.DNSException as error:
        raise ValueError(explain(error)) from error
    strings = [octets[at : at + 255] for at in range(0, len(octets), 255)]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings or [b""]).to_text()


def moved(rdtype: str, content: str, zone: str, to: str) -> str:
    """Stored rdata of a record of `zone` for one of the zone `to`: names inside the one are put into the other."""
    old, new = _origin(zone), _origin(to)
    parsed = parse(rdtype, content, old)
    names = {
        slot: value.relativize(old).derelativize(new)
        for slot in _slots(parsed.__class__)  # type: ignore[arg-type]  # a class is hashable, whatever its objects are
        if isinstance(value := getattr(parsed, slot), dns.name.Name) and value.is_subdomain(old)
    }
    return (parsed.replace(**names) if names else parsed).to_text()


def parse(rdtype: str, content: str, origin: dns.name.Name) -> dns.rdata.Rdata:
    """Presentation text as dnspython's object. Raises what dnspython raises."""
    parsed = dns.rdata.from_text(dns.rdataclass.IN, rdtype, content, origin=origin, relativize=False, idna_codec=IDNA)
    if isinstance(parsed, dns.rdtypes.ANY.LOC.LOC):
        # It keeps centimetres as a float and cuts it off on the wire, where 37.37 m would become 37.36 m.
        place = _on_earth(parsed.latitude), _on_earth(parsed.longitude), round(parsed.altitude)
        precision = parsed.size, parsed.horizontal_precision, parsed.vertical_precision
        parsed = dns.rdtypes.ANY.LOC.LOC(parsed.rdclass, parsed.rdtype, *place, *precision)  # type: ignore[no-untyped-call]
    return parsed


def _on_earth(angle: tuple[int, ...]) -> tuple[int, ...]:
    """On the equator and the first meridian there is no south or west; on the wire it is not told either."""
    return angle if any(angle[:-1]) else (*angle[:-1], 1)


def target(rdtype: str, content: str) -> str | None:
    """The absolute name that a record points to (the last word of NS, CNAME, MX, SRV, PTR), `None` for other types."""
    return content.rsplit(" ", 1)[-1] if rdtype in POINTING else None


def minds_case(rdtype: str) -> bool:
    """Whether upper and lower case mean different things in values of this type: not in names, numbers and hex."""
    declared = TYPES.get(rdtype)
    return declared is None or any(field.kind in ("text", "base64") for field in declared.fields)


@cache
def _slots(kind: type[dns.rdata.Rdata]) -> tuple[str, ...]:
    return tuple(slot for base in kind.__mro__ for slot in getattr(base, "__slots__", ()) if slot not in _COMMON)


_COMMON = frozenset({"rdclass", "rdtype", "rdcomment"})


@lru_cache(maxsize=1024)
def _origin(name: str) -> dns.name.Name:
    return dns.name.from_text(name)


def _explain(rdtype: str, error: Exception) -> str:
    text = explain(error)
    if "string too long" in text:
        return "a string is longer than 255 octets (RFC 1035): split it into several, each between double quotes"
    if "expected EOL" in text:
        return f"too much for one {rdtype}, from {text.rsplit(' ', 1)[-1]} on: quote text that has spaces"
    if text.startswith("expecting"):
        return f"{rdtype}: {text.replace('expecting', 'expected')}; for example {_example(rdtype)}"
    if text == "Text input is malformed.":
        return f"that is no value of {rdtype}; for example {_example(rdtype)}"
    return text


def _example(rdtype: str) -> str:
    declared = TYPES.get(rdtype.upper())
    return declared.example if declared is not None else "\\# 2 abcd (RFC 3597)"
