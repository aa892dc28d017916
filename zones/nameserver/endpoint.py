"""Where the name server is and with which keys to speak to it: an existing one by settings, or the private one."""

from __future__ import annotations

import os
import re
import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from pathlib import Path

import dns.name
import dns.tsig
import msgspec
from django.conf import settings

from zones.nameserver.conf import NamedSettings
from zones.nameserver.errors import NameServerError

SAVED = "endpoint.json"
"""File in the private server's directory that says where it listens and with which keys, readable by the owner only."""

_STRING_OR_COMMENT = re.compile(r'("[^"\n]*")|/\*.*?\*/|//[^\n]*|#[^\n]*', re.DOTALL)
"""A string is kept as it is: a secret in base64 may well contain `//`."""
_KEY = re.compile(r'\bkey\s+"?([\w.-]+)"?\s*\{([^}]*)\}', re.IGNORECASE)
_ALGORITHM = re.compile(r'\balgorithm\s+"?([\w-]+)"?\s*;', re.IGNORECASE)
USABLE_ALGORITHM = re.compile(r"hmac-sha(1|224|256|384|512)", re.IGNORECASE)
_SECRET = re.compile(r'\bsecret\s+"?([A-Za-z0-9+/=]+)"?\s*;', re.IGNORECASE)


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A shared secret. algorithm: as in `named.conf`, `hmac-sha256`. secret: base64; left out of any printed form."""

    name: str
    algorithm: str
    secret: str

    def __repr__(self) -> str:
        return f"Key({self.name!r}, {self.algorithm!r})"

    def clause(self) -> str:
        """The `key` clause for `named.conf`."""
        return f'key "{self.name}" {{ algorithm {self.algorithm}; secret "{self.secret}"; }};\n'

    def tsig(self) -> dns.tsig.Key:
        """The key as dnspython wants it, for signing messages (RFC 8945)."""
        return dns.tsig.Key(self.name, self.secret, dns.name.from_text(self.algorithm))


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One name server: its DNS port, control channel, statistics channel and directories.

    statistics_url: base, without the path, or empty when there is no statistics channel.
    zone_dir: both we and the server can write there. log_dir: where it writes `query.log` and `rpz.log`, if known.
    private: whether the site runs the server itself.
    """

    host: str
    port: int
    tsig: Key
    rndc_host: str
    rndc_port: int
    rndc_key: Key
    statistics_url: str
    zone_dir: Path
    log_dir: Path | None
    private: bool

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


def endpoint() -> Endpoint:
    """The name server of this site.

    Raises `NameServerError` (code `not_configured`) with what is missing; while the private server has never been
    started that is worth a retry.
    """
    return _existing(settings.NAMED) if settings.NAMED.host else saved(settings.DATA_DIR / "named")


def saved(directory: Path) -> Endpoint:
    """Where the private server that lives in `directory` listens."""
    try:
        text = (directory / SAVED).read_bytes()
        return msgspec.json.decode(text, type=Endpoint, dec_hook=lambda _, path: Path(path))
    except FileNotFoundError:
        raise NameServerError(
            "not_configured", "the private name server has not been started yet", retry=True
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise NameServerError("not_configured", f"{directory / SAVED} cannot be used: {error}") from error


def save(endpoint: Endpoint, directory: Path) -> None:
    """Keep the private server's whereabouts for every process of the site."""
    write_secret(directory / SAVED, msgspec.json.format(msgspec.json.encode(endpoint, enc_hook=str)).decode())


def write_secret(path: Path, text: str) -> None:
    """Write a file that only the owner may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def new_key(name: str) -> Key:
    """A fresh random HMAC-SHA256 key, as `tsig-keygen` makes it."""
    return Key(name=name, algorithm="hmac-sha256", secret=b64encode(secrets.token_bytes(32)).decode())


def read_key(path: Path) -> Key:
    """The first `key` clause of a file, as `tsig-keygen`, `rndc-confgen -a` and people write it.

    Raises `NameServerError` (code `bad_key_file`) with what is wrong with the file; never shows what is in it.
    """
    try:
        clause = _KEY.search(_STRING_OR_COMMENT.sub(lambda found: found[1] or "", path.read_text()))
    except (OSError, UnicodeDecodeError) as error:
        raise NameServerError("bad_key_file", f"the key file {path} cannot be read: {error}") from error
    algorithm, secret = (clause and pattern.search(clause[2]) for pattern in (_ALGORITHM, _SECRET))
    if clause is None or algorithm is None or secret is None:
        raise NameServerError("bad_key_file", f'{path} has no clause key "name" {{ algorithm …; secret "…"; }};')
    if not USABLE_ALGORITHM.fullmatch(algorithm[1]):
        raise NameServerError("bad_key_file", f"the key in {path} uses {algorithm[1]}; use hmac-sha256")
    try:
        b64decode(secret[1], validate=True)
    except NotBase64:
        raise NameServerError("bad_key_file", f"the secret in {path} is not base64") from None
    return Key(name=clause[1].lower(), algorithm=algorithm[1].lower(), secret=secret[1])


def _existing(named: NamedSettings) -> Endpoint:
    needed = {"rndc_key_file": named.rndc_key_file, "tsig_key_file": named.tsig_key_file, "zone_dir": named.zone_dir}
    if missing := [f"DNSADMIN_NAMED_{name.upper()}" for name, value in needed.items() if value is None]:
        raise NameServerError("not_configured", f"to use the name server at {named.host}, set {' and '.join(missing)}")
    assert named.rndc_key_file and named.tsig_key_file
    assert named.zone_dir
    return Endpoint(
        host=named.host,
        port=named.port,
        tsig=read_key(named.tsig_key_file),
        rndc_host=named.host,
        rndc_port=named.rndc_port,
        rndc_key=read_key(named.rndc_key_file),
        statistics_url=named.statistics_url.rstrip("/"),
        zone_dir=named.zone_dir,
        log_dir=named.log_dir,
        private=False,
    )
