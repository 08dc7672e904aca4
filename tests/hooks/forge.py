"""A forge on loopback: repositories over HTTP by git's own backend, for those who show a token."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@dataclass(slots=True)
class Forge:
    url: str
    token: str = "tok-5b1f0c9e"
    logins: list[tuple[str, str]] = field(default_factory=list)
    """Names and passwords that were shown."""


@contextmanager
def serving(folder: Path) -> Iterator[Forge]:
    """The repositories of a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    forge = Forge(f"http://127.0.0.1:{server.server_port}")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Nothing: the tests look at `logins`."""

        def _answer(self, body: bytes) -> None:
            if not self._lets_in():
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="forge"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            head, _, answer = self._backend(body).partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _lets_in(self) -> bool:
            _, _, shown = self.headers.get("Authorization", "").partition(" ")
            user, _, password = base64.b64decode(shown).decode().partition(":")
            if shown:
                forge.logins.append((user, password))
            return password == forge.token

        def _backend(self, body: bytes) -> bytes:
            path, _, query = self.path.partition("?")
            request = {
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": "job",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }
            words = ["git", "http-backend"]
            done = subprocess.run(
                words, input=body, env={**os.environ, **request}, stdout=subprocess.PIPE, check=True
            )
            return done.stdout

    server.RequestHandlerClass = Handler
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
