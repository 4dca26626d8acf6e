"""A local stand-in for an OpenAI-compatible service: what it was asked, and what a test lets it say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


class _StandIn(BaseHTTPRequestHandler):
    """Answers as an OpenAI-compatible service does."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.asked.append((self.path, self.headers.get("Authorization"), body))  # type: ignore[attr-defined]
        system, text = (message["content"] for message in body["messages"])
        status, said = server.answer(system, text)  # type: ignore[attr-defined]
        data = said if isinstance(said, bytes) else json.dumps({"choices": [{"message": {"content": said}}]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def service(answer) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _StandIn)
    server.asked, server.answer = [], answer  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rewritten(system: str, text: str) -> tuple[int, str]:
    return 200, f'1. Well, {text}\n- "Well, {text}"\n* 999 {text}\nOne too many'
