"""Made-up records of every kind, as people write them, for the property tests."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import strategies as st

ADDRESSES = st.ip_addresses(v=4).map(str)
SPECIAL = ["::", "::1", "::1.2.3.4", "::ffff:192.0.2.1", "1::", "0:0:1::", "64:ff9b::192.0.2.1", "1:0:0:2::3", "::1:0"]
ADDRESSES_6 = st.ip_addresses(v=6).map(str) | st.sampled_from(SPECIAL)
SHORT, OCTET = st.integers(0, 65535), st.integers(0, 255)
SECONDS = st.integers(0, 2**31 - 1)


def _escaped(octets: bytes) -> str:
    """Any octets as a label, or as a string between quotes: everything odd as `\\DDD`."""
    return "".join(chr(octet) if chr(octet).isalnum() and octet < 128 else f"\\{octet:03d}" for octet in octets)


LABELS = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,15}[A-Za-z0-9_])?", fullmatch=True) | st.binary(
    min_size=1, max_size=10
).map(_escaped)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
TARGETS = NAMES.map(lambda name: f"{name}.") | NAMES | st.just("@")
STRINGS = st.binary(max_size=255).map(lambda octets: f'"{_escaped(octets)}"') | st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=60
).map(lambda text: f'"{text}"')
HEX = st.binary(min_size=1, max_size=64).map(bytes.hex)


def _words(*parts: st.SearchStrategy) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda values: " ".join(str(value) for value in values))


SECOND = st.integers(0, 59_999).map(lambda thousandths: f"{thousandths / 1000:.3f}")
SERVICES = _words(
    st.integers(1, 65535),
    TARGETS,
    st.sampled_from(
        [
            "",
            "alpn=h2,h3",
            "port=8443 ipv4hint=192.0.2.1",
            "mandatory=alpn alpn=h2 no-default-alpn",
            "ipv6hint=2001:db8::1,::2 port=53",
            'alpn="h2" key65000="a b"',
        ]
    ),
) | _words(st.just(0), TARGETS)
SOA_RDATA = _words(TARGETS, TARGETS, st.integers(0, 2**32 - 1), SECONDS, SECONDS, SECONDS, SECONDS)

RDATA: dict[str, st.SearchStrategy[str]] = {
    "A": ADDRESSES,
    "AAAA": ADDRESSES_6,
    "CNAME": TARGETS,
    "DNAME": TARGETS,
    "NS": TARGETS,
    "PTR": TARGETS,
    "MX": _words(SHORT, TARGETS),
    "SRV": _words(SHORT, SHORT, SHORT, TARGETS),
    "TXT": st.lists(STRINGS, min_size=1, max_size=4).map(" ".join),
    "CAA": _words(OCTET, st.sampled_from(["issue", "issuewild", "iodef"]), STRINGS),
    "HINFO": _words(STRINGS, STRINGS),
    "RP": _words(TARGETS, TARGETS),
    "AFSDB": _words(SHORT, TARGETS),
    "NAPTR": _words(SHORT, SHORT, STRINGS, STRINGS, st.just('""'), TARGETS),
    "URI": _words(SHORT, SHORT, STRINGS.filter(lambda text: text != '""')),
    "SSHFP": _words(st.sampled_from([1, 2, 3, 4]), st.just(1), st.binary(min_size=20, max_size=20).map(bytes.hex)),
    "TLSA": _words(OCTET, OCTET, st.just(0), HEX),
    "DS": _words(SHORT, st.just(13), st.just(2), st.binary(min_size=32, max_size=32).map(bytes.hex)),
    "SMIMEA": _words(OCTET, OCTET, st.just(0), HEX),
    "OPENPGPKEY": st.binary(min_size=1, max_size=300).map(lambda octets: b64encode(octets).decode()),
    "LOC": _words(
        st.integers(0, 89),
        st.integers(0, 59),
        SECOND,
        st.sampled_from("NS"),
        st.integers(0, 179),
        st.integers(0, 59),
        SECOND,
        st.sampled_from("EW"),
        st.integers(-100_000, 40_000_000).map(lambda metres: f"{metres}.{abs(metres) % 100:02d}m"),
        st.sampled_from(["", "1m", "30m 100m", "0m 10000m 10m"]),
    ),
    "HTTPS": SERVICES,
    "SVCB": SERVICES,
    "TYPE65280": st.binary(max_size=30).map(lambda octets: f"\\# {len(octets)} {octets.hex()}"),
}
"""Type -> rdata as people write it, relative names included."""


def record_texts(max_size: int = 12) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Types and rdata of some records."""
    one = st.sampled_from(sorted(RDATA)).flatmap(lambda kind: st.tuples(st.just(kind), RDATA[kind]))
    return st.lists(one, max_size=max_size)
