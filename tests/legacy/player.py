"""Plays what an old page sent, and looks whether it hears what it always heard.

It knows the old system by its description alone: a plain WebSocket with the token in the address, and nothing of this
project's protocol.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import dns.message
import dns.query
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.parts.json_client import JsonClient
from tests.parts.site import Site

SESSIONS = Path(__file__).parent / "sessions"
PATIENCE_S = 60.0
"""What happens on a real site, a forwarder found dead for one, takes its time on a busy machine."""
AN_ANSWER = "an answer"
NOT_ASKED_FOR = {"pong", "deprecated", "system_changed"}

Frame = dict[str, Any]


def matches(wanted: Any, came: Any) -> bool:
    """Whether `came` has at least what is wanted; `*` is any value."""
    if isinstance(wanted, Mapping):
        return isinstance(came, Mapping) and all(
            name in came and matches(value, came[name]) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(came, list) and all(any(matches(one, other) for other in came) for one in wanted)
    return bool(wanted == "*" or wanted == came)


class Replay:
    """One session, played against a site."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        self.head, *self.steps = [
            json.loads(line) for line in (SESSIONS / f"{name}.jsonl").read_text().splitlines() if line
        ]
        self.knows = set(self.head["knows"])
        self.frames: list[Frame] = []
        self.matched: set[int] = set()
        self.mark = 0
        self.names: dict[str, Any] = {}
        self.code: int | None = None
        self._came = asyncio.Condition()

    async def play(self) -> list[Frame]:
        """Play all steps. Returns every frame that came; raises `AssertionError` naming the step that failed."""
        token = await asyncio.to_thread(self.site.token, self.head["user"])
        address = f"ws://127.0.0.1:{self.site.port}{self.head['path']}?token={token}"
        async with connect(address, open_timeout=PATIENCE_S, ping_interval=None) as socket:
            listening = asyncio.create_task(self._listen(socket))
            for number, step in enumerate(self.steps, 2):
                try:
                    await self._step(socket, step)
                except AssertionError as failed:
                    raise AssertionError(
                        f"line {number}, {json.dumps(step)}: {failed}\n{json.dumps(self.frames, indent=1)}"
                    ) from None
        await listening
        assert self.code == 1000, f"the page closed it, and saw {self.code}"
        return self.frames

    async def _listen(self, socket: Any) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = json.loads(await socket.recv())
                async with self._came:
                    self.frames.append(frame)
                    self._came.notify_all()
        async with self._came:
            self.code = socket.close_code
            self._came.notify_all()

    async def _step(self, socket: Any, step: Frame) -> None:
        match step:
            case {"out": frame}:
                self.mark = len(self.frames)
                await socket.send(json.dumps(frame))
            case {"in": wanted}:
                await self._hear(wanted)
            case {"meanwhile": who}:
                self.mark = len(self.frames)
                await asyncio.to_thread(self._meanwhile, who, self._filled(step))
            case {"once": wanted}:
                assert sum(matches(wanted, frame) for frame in self.frames) == 1
            case {"never": wanted}:
                assert not any(matches(wanted, frame) for frame in self.frames)
            case _:
                raise ValueError(step)

    # -- hearing

    def _is_it(self, wanted: Frame, frame: Frame) -> bool:
        if wanted["type"] == AN_ANSWER:
            answers = frame["type"] not in self.knows | NOT_ASKED_FOR
            return answers and matches({**wanted, "type": frame["type"]}, frame)
        return matches(wanted, frame)

    def _find(self, wanted: Frame) -> bool:
        for place in range(self.mark, len(self.frames)):
            if place not in self.matched and self._is_it(wanted, self.frames[place]):
                self.matched.add(place)
                return True
        return False

    async def _hear(self, wanted: Frame) -> None:
        async with self._came:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while not self._find(wanted):
                        assert self.code is None, f"closed with {self.code}"
                        await self._came.wait()
            except TimeoutError:
                raise AssertionError("it did not come") from None

    # -- what others do

    def _filled(self, value: Any) -> Any:
        """`value` with the names that were kept put in; a text that is nothing but a name becomes the thing itself."""
        if isinstance(value, dict):
            return {name: self._filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner) for inner in value]
        if isinstance(value, str):
            if (whole := re.fullmatch(r"\{(\w+)\}", value)) and whole[1] in self.names:
                return self.names[whole[1]]
            return re.sub(r"\{(\w+)\}", lambda name: str(self.names.get(name[1], name[0])), value)
        return value

    def _meanwhile(self, who: str, step: Frame) -> None:
        match step:
            case {"request": request}:
                self._request(who, request, step)
            case {"signs": "in"}:
                self.names[f"cookie of {who}"] = self.site.cookie(who)
            case {"signs": "out"}:
                self._sign_out(self.names[f"cookie of {who}"])
            case {"command": arguments}:
                self.site.manage(*arguments)
            case {"asks": name}:
                query = dns.message.make_query(name, "A")
                dns.query.udp(query, "127.0.0.1", port=self.site.named_port, timeout=10, source=who)
            case _:
                raise ValueError(step)

    def _request(self, who: str, request: list[Any], step: Frame) -> None:
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self.site.client(who).request(*request)
            assert answer.status < 300, answer.text
            data = answer.data if answer.body else {}
            if matches(step.get("until", {}), data):
                break
            assert time.monotonic() < until, answer.text
            time.sleep(0.2)
        self.names |= {name: data[field] for name, field in step.get("keep", {}).items()}

    def _sign_out(self, cookie: str) -> None:
        token = re.search(r"csrftoken=([^;]+)", cookie)
        assert token
        answer = JsonClient(self.site.url).post(
            "/accounts/logout/",
            f"csrfmiddlewaretoken={token[1]}".encode(),
            Content_Type="application/x-www-form-urlencoded",
            Cookie=cookie,
            Referer=f"{self.site.url}/",
        )
        assert answer.status in (200, 302), answer.text
