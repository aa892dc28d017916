"""TSIG keys that the site's name server shares with other servers, for transfers from them.

The database keeps them, `transfer-keys.conf` brings them to the server. A key that the administrator put into `named.conf`
himself is used by its name alone.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64

from django.db import transaction

from zones.models import TransferKey, Zone
from zones.nameserver import includes
from zones.nameserver.endpoint import USABLE_ALGORITHM, Endpoint, Key, endpoint
from zones.nameserver.errors import BadName, NameServerError
from zones.nameserver.peers import checked_key_name
from zones.nameserver.private import TRANSFER_KEYS


def checked_key(name: str, algorithm: str, secret: str) -> Key:
    """A key as people type it. Raises `BadName` in plain words, never with the secret."""
    plain = checked_key_name(name)
    kind = (algorithm or "hmac-sha256").strip().lower().removesuffix(".")
    if not USABLE_ALGORITHM.fullmatch(kind):
        raise BadName("bad_key", f"{algorithm!r} is no algorithm for a TSIG key here; use hmac-sha256")
    try:
        length = len(b64decode(secret.strip(), validate=True))
    except (NotBase64, ValueError):
        raise BadName("bad_key", f"the secret of the TSIG key {plain} is not base64") from None
    if not 1 <= length <= 256:
        raise BadName("bad_key", f"the secret of the TSIG key {plain} has {length} octets; 16 to 64 are usual")
    return Key(name=plain, algorithm=kind, secret=secret.strip())


def keep(key: Key, zone: Zone | None = None) -> bool:
    """Keep a key for the server, in a transaction of the caller's. Returns whether a key of that name had another secret.

    zone: the one it is for, which alone may give its key another secret. Raises `BadName` when other zones use that name
    with another secret."""
    if key.name in _between_site_and_server():
        raise BadName("bad_key", f"the name {key.name} is taken by the site's own key")
    present = TransferKey.objects.filter(name=key.name).first()
    if present is None:
        TransferKey.objects.create(name=key.name, algorithm=key.algorithm, secret=key.secret)
        return False
    if (present.algorithm, present.secret) == (key.algorithm, key.secret):
        return False
    if key.name in _used(besides=zone):
        raise BadName("bad_key", f"other zones use a TSIG key {key.name} with another secret")
    present.algorithm, present.secret = key.algorithm, key.secret
    present.save()
    return True


def known(name: str) -> Key | None:
    """The key of that name, if it is kept here."""
    found = TransferKey.objects.filter(name=name).first() if name else None
    return Key(name=found.name, algorithm=found.algorithm, secret=found.secret) if found else None


def apply_all(where: Endpoint) -> bool:
    """Bring the keys that zones use to the server, and take others away. Raises what `includes.replace` raises."""
    with transaction.atomic():
        wanted = _used()
        keys = [known(name) for name in sorted(wanted)]
    text = "".join(key.clause() for key in keys if key is not None)
    if not text and not includes.written(where, TRANSFER_KEYS):
        return False
    mode = 0o600 if where.private else 0o640
    return includes.replace(where, TRANSFER_KEYS, text, mode=mode)


def _between_site_and_server() -> set[str]:
    """Names of the keys with which the site speaks to its own server, as far as there is one."""
    try:
        where = endpoint()
    except NameServerError:
        return set()
    return {where.tsig.name, where.rndc_key.name}


def _used(besides: Zone | None = None) -> set[str]:
    """Names of the keys that living zones name, or those `besides` one."""
    zones = Zone.objects.living().exclude(servers=[])
    if besides is not None:
        zones = zones.exclude(pk=besides.pk)
    rows = zones.values_list("servers", flat=True)
    return {server["key"] for servers in rows for server in servers if server.get("key")}
