"""A proxy in front of Label Studio with the faults of proxies and networks at each import; everything else passes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.servers import Answer, LocalServer, Seen

BAD_GATEWAY = (502, {"Content-Type": "text/html"}, b"<h1>Bad Gateway</h1>")
PASS, REFUSE, LOSE, DROP, DROP_UNSENT, DELAY = "pass", "502 before", "502 after", "drop after", "drop before", "late"


@dataclass
class FaultProxy:
    """Forwards to `upstream`; each import suffers the next of `faults`, none once they are used up.

    PASS forwards. REFUSE answers 502 without forwarding. LOSE forwards and answers 502. DROP forwards and closes the
    connection without an answer, DROP_UNSENT closes it without forwarding. DELAY answers 502 at once and forwards after
    `delay_seconds`. `on_fault` is called before each of them but PASS. An import that contains `poison` is answered 500
    and not forwarded.
    """

    upstream: str
    faults: deque[str] = field(default_factory=deque)
    delay_seconds: float = 0.3
    poison: bytes = b""
    on_fault: Callable[[], object] = lambda: None
    late: list[threading.Thread] = field(default_factory=list)

    def serve(self, server: LocalServer) -> None:
        server.respond = self.respond

    def wait_for_late(self) -> None:
        """Until everything that was delayed has arrived."""
        for thread in self.late:
            thread.join()

    def respond(self, seen: Seen, _: BaseHTTPRequestHandler) -> Answer | None:
        paths = ("/import/predictions", "/annotations", "/import")
        is_import = seen.method == "POST" and seen.path.partition("?")[0].rstrip("/").endswith(paths)
        if is_import and self.poison and self.poison in seen.body:
            return 500, {"Content-Type": "text/html"}, b"<h1>Server Error</h1>"
        fault = self.faults.popleft() if is_import and self.faults else PASS
        if fault != PASS:
            self.on_fault()
        if fault == DELAY:
            self.late.append(threading.Thread(target=self._forward_late, args=(seen,), daemon=True))
            self.late[-1].start()
        if fault in (REFUSE, DELAY):
            return BAD_GATEWAY
        if fault == DROP_UNSENT:
            return None
        answer = self._forward(seen)
        return {LOSE: BAD_GATEWAY, DROP: None}.get(fault, answer)

    def _forward_late(self, seen: Seen) -> None:
        time.sleep(self.delay_seconds)
        self._forward(seen)

    def _forward(self, seen: Seen) -> Answer:
        parts = urlsplit(self.upstream)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            kept = {name: value for name, value in seen.headers.items() if name not in ("host", "connection")}
            connection.request(seen.method, seen.path, seen.body, {**kept, "Host": parts.netloc})
            response = connection.getresponse()
            content = response.read()
            return response.status, {"Content-Type": response.headers.get("Content-Type", "text/plain")}, content
        except OSError:
            return BAD_GATEWAY
        finally:
            connection.close()
