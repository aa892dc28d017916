"""How often one may try to sign in, by address and by account; the same count for every way in.

Correct sign-ins: 30 a minute per address. Wrong ones: 5 a minute per address and user name, and 60 per address, whatever
the name, which also counts what fails at the socket. Kept in Django's cache as the times of the last minute.
"""

from __future__ import annotations

import hashlib
import time
import unicodedata

from django.core.cache import cache

WINDOW_S = 60.0
CORRECT = 30
WRONG = 5
WRONG_IN_ALL = 60


class SignInLimit:
    """The attempts from one address for one user name, which counts the same however it is capitalised or composed.

    Without a name: those that name nobody, as by a token that is none.
    """

    def __init__(self, address: str, username: str | None = None) -> None:
        self._correct = f"sign-in-correct-{_digest(address)}"
        self._in_all = f"sign-in-wrong-in-all-{_digest(address)}"
        self._wrong = ""
        if username is not None:
            name = unicodedata.normalize("NFKC", username).casefold()
            self._wrong = f"sign-in-wrong-{_digest(f'{address} {name}')}"

    def wait_s(self) -> float:
        """Seconds until the next attempt is looked at; 0 when it may be made now."""
        wait_s = _wait_s(self._in_all, WRONG_IN_ALL)
        if self._wrong:
            wait_s = max(wait_s, _wait_s(self._correct, CORRECT), _wait_s(self._wrong, WRONG))
        return wait_s

    def succeeded(self) -> None:
        """Count a correct one."""
        _count(self._correct)

    def failed(self) -> None:
        """Count a wrong one."""
        _count(self._in_all)
        if self._wrong:
            _count(self._wrong)


def _wait_s(key: str, most: int) -> float:
    recent = _recent(key)
    return recent[-most] + WINDOW_S - time.time() if len(recent) >= most else 0.0


def _count(key: str) -> None:
    cache.set(key, [*_recent(key), time.time()], WINDOW_S)


def _recent(key: str) -> list[float]:
    return [moment for moment in cache.get(key, []) if moment > time.time() - WINDOW_S]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
