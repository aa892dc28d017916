"""A small client of the site's HTTP interface, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit


class Answer(NamedTuple):
    """What the site answered. `headers` finds names in any case."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def position(self) -> str:
        """`<epoch>:<position>` of the event log that the answer was read at."""
        return str(self.headers["X-Dnsadmin-Position"])


class JsonClient:
    """Requests to one site, with the same headers on each; one connection per request."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.headers = dict(headers or {})

    def get(self, path: str, **query: Any) -> Answer:
        return self.request("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, data: Any = None, **headers: str) -> Answer:
        return self.request("POST", path, data, **headers)

    def put(self, path: str, data: Any, **headers: str) -> Answer:
        return self.request("PUT", path, data, **headers)

    def patch(self, path: str, data: Any, **headers: str) -> Answer:
        return self.request("PATCH", path, data, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self.request("DELETE", path, **headers)

    def request(self, method: str, path: str, data: Any = None, **headers: str) -> Answer:
        """Send a request; `data` goes as it is when it is bytes, else as JSON. Header names are given with `_` for `-`.

        Redirects are not followed, and no status is an error.
        """
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        body = data
        if data is not None and not isinstance(data, bytes):
            body = json.dumps(data).encode()
            sent.setdefault("Content-Type", "application/json")
        place = urlsplit(self.url)
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        connection = kind(place.hostname or "", place.port, timeout=30)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
