"""A real HTTP server that takes webhooks, and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers ``statuses`` one after the other, then 200 for ever; ``answers`` likewise."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.answers: list[bytes] = []
        self.received: Queue[Received] = Queue()
        self.before_answer: Callable[[], object] = lambda: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.put(Received(dict(self.headers), body))
                receiver.before_answer()
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                if status // 100 == 3:
                    self.send_header("Location", receiver.url + "/elsewhere")
                answer = receiver.answers.pop(0) if receiver.answers else b""
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
