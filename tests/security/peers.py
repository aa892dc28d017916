"""Servers that feeds come from, good and bad, on loopback."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FeedServer:
    """Serves `body` with an ETag, and counts. behave: writes a whole answer by itself instead."""

    def __init__(self) -> None:
        self.body = b""
        self.headers: dict[str, str] = {}
        self.status = 200
        self.behave: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.requests: list[str] = []
        self.unchanged = 0
        self.ending = threading.Event()
        serves = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                serves.requests.append(self.path)
                try:
                    serves.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/list.txt"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.behave is not None:
            self.behave(request)
            return
        tag = f'"{hashlib.blake2b(self.body).hexdigest()[:16]}"'
        if self.status == 200 and request.headers.get("If-None-Match") == tag:
            self.unchanged += 1
            request.send_response(304)
            request.end_headers()
            return
        request.send_response(self.status)
        request.send_header("Content-Length", str(len(self.body)))
        request.send_header("ETag", tag)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(self.body)

    def stop(self) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()


def hang(server: FeedServer) -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"bad.example.org\n")
        request.wfile.flush()
        server.ending.wait(60)

    return behave


def endless(server: FeedServer) -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        block = b"".join(b"x%d.example.org\n" % n for n in range(4000))
        until = time.monotonic() + 60
        while time.monotonic() < until and not server.ending.is_set():
            request.wfile.write(block)

    return behave


def truncated(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b"bad.example.org\n" * 10)


def redirects(to: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", to)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return behave


def bomb(mebibytes: int) -> bytes:
    """gzip data that unpack to a thousand times their size."""
    import io

    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(mebibytes):
            file.write(b"a" * 1024 * 1024)
    return packed.getvalue()
