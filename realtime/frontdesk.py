"""The front desk of a process: who may come in, and what has to be written and looked up when somebody does.

After a restart a thousand clients come back within seconds, so arrivals are handled together: whoever arrives while
the database is busy with others shares the next visit to it. Rights are remembered between visits and forgotten as the
log tells that they changed.
"""

from __future__ import annotations

import time
from collections import Counter

from realtime import audience as audiences
from realtime import presence
from realtime.accounts import ALL_SESSIONS
from realtime.audience import Account, Audience, NotAllowed
from realtime.authentication import Claim
from realtime.buckets import TokenBucket
from realtime.conf import RealtimeSettings
from realtime.connections import WebSocketConnection
from realtime.database import in_database
from realtime.subscriptions import Wants, subscriptions
from realtime.together import Together

MOST_ENDED = 100_000
KEPT_FOR_OTHERS = 10
"""The last of so many parts of all places is kept for addresses that have less than an equal share."""
COMMANDS_PER_S = 40.0
COMMAND_BURST = 120.0
REMEMBER_S = 60.0
"""How long rights are remembered at most: a change past Django's models (SQL, a fixture) leaves no event."""


class Full(Exception):
    """No room: for nobody, or not for this address. The message says which."""


class FrontDesk:
    """Admission, arrivals and departures of one process."""

    def __init__(self, node: str, conf: RealtimeSettings) -> None:
        self._node = node
        self._conf = conf
        self._addresses: Counter[str] = Counter()
        self._taken = 0
        self._commands: dict[int, TokenBucket] = {}
        self._looks: Together[int, tuple[Account, Audience]] = Together(self._look_up)
        self._arrivals: Together[WebSocketConnection, int] = Together(
            self._write_down, abandoned=lambda connection: self.depart(connection.presence_id)
        )
        self._gone: list[int] = []
        self._unsaved: dict[tuple[int, str], Wants] = {}
        self._remembered: dict[int, tuple[float, Account, Audience]] = {}
        self._ended: dict[str | int, float] = {}
        self.changes = 0

    # -- room

    def take_place(self, address: str) -> None:
        """Count a socket in, signed in or not. Raises `Full`; the share of one address is limited, so that it cannot
        take the places of all others."""
        most, taken, own = self._conf.connections, self._taken, self._addresses[address]
        if taken >= most:
            raise Full("too many connections on this server")
        if own >= self._conf.connections_per_address:
            raise Full("too many connections from this address")
        if taken >= most - most // KEPT_FOR_OTHERS and own and own >= most / len(self._addresses):
            raise Full("too many connections from this address while the server is nearly full")
        self._addresses[address] += 1
        self._taken += 1

    def give_place(self, address: str) -> None:
        """Count a socket out."""
        self._taken -= 1
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def commands_of(self, user_id: int) -> TokenBucket:
        """How fast a user may give commands here, over all of their connections."""
        bucket = self._commands.get(user_id)
        if bucket is None:
            bucket = self._commands[user_id] = TokenBucket(COMMANDS_PER_S, COMMAND_BURST)
        return bucket

    # -- rights

    async def identify(self, user_id: int) -> tuple[Account, Audience]:
        """The account and the audience it belongs to, true as of what the feed has brought. Raises `NotAllowed`."""
        found = self._remembered.get(user_id)
        while found is None or found[0] < time.monotonic():
            changes = self.changes
            account, audience = await self._looks.ask(user_id)
            found = (time.monotonic() + REMEMBER_S, account, audience)
            if changes == self.changes:  # else the look may have been a moment before the change
                self._remembered[user_id] = found
                break
            found = None
        return found[1:]

    async def _look_up(self, user_ids: list[int]) -> list[tuple[Account, Audience] | Exception]:
        loaded = await in_database(audiences.load_all, user_ids)
        return [loaded.get(user_id, NotAllowed(user_id)) for user_id in user_ids]

    def forget(self, user_id: int) -> None:
        """The user's rights or account changed."""
        self.changes += 1
        self._remembered.pop(user_id, None)

    # -- sessions

    def session_ended(self, session: str, user_id: int, ended_at: float) -> None:
        """The session of that digest ended, or all of the user's until then (seconds since 1970)."""
        self._ended[user_id if session == ALL_SESSIONS else session] = ended_at
        while len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def has_ended(self, claim: Claim | None) -> bool:
        """Whether what somebody came in by is known to have ended. The log may tell before the session is gone, and
        nothing else tells of a token."""
        if claim is None:
            return False
        everywhere = self._ended.get(claim.user_id, -1.0) if claim.method == "token" else -1.0
        return claim.session in self._ended or claim.issued_at <= everywhere

    # -- arrivals

    async def arrive(self, connection: WebSocketConnection) -> int:
        """Write the presence of a connection and give it what its user wanted last.

        Returns the oldest presence id of its slot that may stay.
        """
        return await self._arrivals.ask(connection)

    async def _write_down(self, connections: list[WebSocketConnection]) -> list[int | Exception]:
        staying = await in_database(self._enter, connections)
        return [staying[connection.user_id, connection.client] for connection in connections]

    def _enter(self, connections: list[WebSocketConnection]) -> dict[tuple[int, str], int]:
        """In the database: three queries, however many connections."""
        slots = {(c.user_id, c.client) for c in connections}
        saved = subscriptions.restore(slots)
        for connection in connections:
            slot = connection.user_id, connection.client
            wants = self._unsaved.get(slot) or saved.get(slot)
            if wants is not None:
                connection.wants = wants
        presence.enter(connections, self._node)
        return dict(presence.oldest_staying(slots, self._conf.connections_per_user))

    # -- what is written a moment later, for all together

    def depart(self, presence_id: int) -> None:
        """A connection ended."""
        if presence_id:
            self._gone.append(presence_id)

    def wants_changed(self, connection: WebSocketConnection) -> None:
        """A client wants other events than before: to be kept for its next visit."""
        self._unsaved[connection.user_id, connection.client] = connection.wants

    async def catch_up(self) -> None:
        """Write down what has changed. Called every second, and at the end."""
        # Each is struck off only when it is written: the database may be away, or somebody may come back meanwhile.
        if gone := list(self._gone):
            await in_database(presence.leave, gone)
            del self._gone[: len(gone)]
        if unsaved := dict(self._unsaved):
            await in_database(subscriptions.save, unsaved)
            for slot, wants in unsaved.items():
                if self._unsaved[slot] is wants:
                    del self._unsaved[slot]
        self._commands = {user: bucket for user, bucket in self._commands.items() if not bucket.full}
