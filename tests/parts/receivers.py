"""Where notifications arrive: an HTTP server and an SMTP server (RFC 5321) on loopback that keep what they are sent."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self


class Call(NamedTuple):
    """A request: its headers in lower case, its body, and the port that it came from."""

    headers: dict[str, str]
    body: bytes
    port: int


class Receiver:
    """What both have: a thread, a port, and what came."""

    def __init__(self, server: socketserver.BaseServer) -> None:
        self._server = server
        address: Any = server.server_address
        self.port = int(address[1])
        self.came: list[Any] = []
        self._thread = threading.Thread(target=server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, count: int, timeout_s: float = 30.0) -> list[Any]:
        """All that came, when it is at least so much. Raises `TimeoutError`."""
        until = time.monotonic() + timeout_s
        while len(self.came) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{len(self.came)} of {count} came: {self.came}")
            time.sleep(0.05)
        return list(self.came)


class WebhookReceiver(Receiver):
    """Answers each call with what `answer` says: a status, or `None` to hold the line and never answer."""

    def __init__(self, answer: Callable[[int], int | None] = lambda number: 204) -> None:
        receiver = self
        self._ended = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.came.append(Call(headers, body, self.client_address[1]))
                status = answer(len(receiver.came))
                if status is None:
                    receiver._ended.wait()
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        super().__init__(server)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        super().__exit__()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


class MailServer(Receiver):
    """Takes every letter; `came` holds `(recipients, text)`."""

    def __init__(self) -> None:
        receiver = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

            def handle(self) -> None:
                self.say("220 test")
                recipients: list[str] = []
                while line := self.rfile.readline():
                    verb = line.decode().strip()
                    match verb[:4].upper():
                        case "RCPT":
                            recipients.append(verb.partition("<")[2].partition(">")[0])
                            self.say("250 ok")
                        case "DATA":
                            self.say("354 go on")
                            receiver.came.append((recipients, self.text()))
                            self.say("250 taken")
                        case "QUIT":
                            self.say("221 bye")
                            return
                        case _:
                            self.say("250 ok")

            def text(self) -> str:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line)
                return b"".join(lines).decode()

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        super().__init__(server)
