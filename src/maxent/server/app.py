"""The server of `maxent watch`: pages and streams over HTTP, for reading alone.

It knows two kinds of addresses, `/` and `/run/NAME` for pages, `/stream` and `/stream/run/NAME` for their server-sent
events, and makes every response itself: no file is ever sent. A request has to name this machine in its Host header.
Otherwise a page elsewhere could let its own name lead here (DNS rebinding) and read the runs.
"""

import ipaddress
import re
import socket
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, final
from urllib.parse import parse_qs, unquote

from maxent.server import pages
from maxent.server.feeds import Feed, Feeds

CONNECTIONS = 64
"""Most connections at the same time."""

TICK = 0.5
"""Seconds between two looks at a feed."""

SILENCE = 10.0
"""Seconds after which a stream sends a comment: a browser that has gone is noticed."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+)(:[0-9]{1,5})?")

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@final
class Server(ThreadingHTTPServer):
    """Serves the feeds of a folder; each connection has a thread, which ends with the process."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, feeds: Feeds, host: str, port: int) -> None:
        self.feeds, self.host = feeds, host
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.ending = threading.Event()
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._hosts = own_hosts(host)
        super().__init__((host, port), Handler)

    @property
    def url(self) -> str:
        """The address of the list of runs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_address[1]}/"

    def allows(self, header: str) -> bool:
        """Return whether a Host header names this machine."""
        return is_allowed(header, self._hosts, any_address=not is_loopback(self.host))

    def server_bind(self) -> None:
        """Bind without looking up the name of the host, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in a thread of its own; close it if there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print unexpected errors; that a browser has gone is none."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """End the streams and close the socket."""
        self.ending.set()
        super().server_close()


def own_hosts(host: str) -> frozenset[str]:
    """Return the names by which requests may address a server that listens on this host."""
    if is_loopback(host):
        return frozenset({*LOOPBACK, host.lower()})
    return frozenset({*LOOPBACK, host.lower(), socket.gethostname().lower()})


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server on this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_allowed(header: str, hosts: frozenset[str], *, any_address: bool) -> bool:
    """Return whether a Host header has one of these names or, where any address will do, is an address.

    The port does not matter: through a tunnel it is another one. Names of other domains can lead here, addresses not.
    """
    found = HOST.fullmatch(header)
    if found is None:
        return False
    name = found[1].strip("[]").lower()
    if name in hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return any_address


@final
class Handler(BaseHTTPRequestHandler):
    """Handles one request."""

    server: Server
    server_version, sys_version = "maxent", ""
    timeout = 30  # a client that neither sends nor reads

    def do_GET(self) -> None:
        """Send a page, or a stream."""
        self._respond(body=True)

    def do_HEAD(self) -> None:
        """Send the headers of a page, or of a stream."""
        self._respond(body=False)

    def _respond(self, *, body: bool) -> None:
        hosts = self.headers.get_all("Host") or [""]
        if len(hosts) != 1 or not self.server.allows(hosts[0]):
            self._refuse(403, "This address does not name the machine that maxent watch runs on: use localhost.", body)
            return
        path, _, query = self.path.partition("?")
        streamed = path == "/stream" or path.startswith("/stream/run/")
        page = path.removeprefix("/stream") or "/" if streamed else path
        feed, name = self._find(page)
        if feed is None:
            self._refuse(404, "There is no such page or run. The list of runs is at /.", body)
        elif streamed:
            self._stream(feed, parse_qs(query).get("after", [""])[0], body)
        else:
            snapshot = feed.snapshot()
            html = pages.live_page(
                f"Runs below {self.server.feeds.title('')}/" if name is None else self.server.feeds.title(name),
                "/stream" if name is None else f"/stream{page}",
                state=snapshot.state,
                sections=snapshot.sections,
                digest=snapshot.digest,
                back=name is not None,
            )
            self._send(200, "text/html", html, body)

    def _find(self, page: str) -> tuple[Feed | None, str | None]:
        """Return the feed of a page, and the name of its run; the list has none."""
        if page == "/":
            return self.server.feeds.list, None
        if not page.startswith("/run/"):
            return None, None
        name = unquote(page.removeprefix("/run/"), errors="surrogateescape")
        return self.server.feeds.run(name), name

    def _stream(self, feed: Feed, after: str, body: bool) -> None:
        """Send the state and the sections whenever they change; sections with this digest are there already."""
        self._begin(200, {"Content-Type": "text/event-stream; charset=utf-8"})
        if not body:
            return
        last, state = self.headers.get("Last-Event-ID") or after, None
        self.wfile.write(b"retry: 1000\n\n")
        sent = time.monotonic()
        while not self.server.ending.is_set():
            snapshot = feed.snapshot()
            events = []
            if snapshot.state != state:
                state = snapshot.state
                events.append(f"event: state\ndata: {pages.as_json(state)}\n\n")
            if snapshot.digest != last:
                last = snapshot.digest
                events.append(f"id: {last}\nevent: content\ndata: {pages.as_json(snapshot.sections)}\n\n")
            if not events and time.monotonic() - sent > SILENCE:
                events.append(": still here\n\n")
            if events:
                self.wfile.write("".join(events).encode())
                sent = time.monotonic()
            self.server.ending.wait(TICK)

    def _send(self, code: int, kind: str, text: str, body: bool) -> None:
        data = text.encode()
        policy = pages.policy() if kind == "text/html" else "default-src 'none'; frame-ancestors 'none'"
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(data))}
        self._begin(code, {**headers, "Content-Security-Policy": policy})
        if body:
            self.wfile.write(data)

    def _refuse(self, code: int, sentence: str, body: bool) -> None:
        self._send(code, "text/plain", f"{sentence}\n", body)

    def _begin(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, **SECURITY}.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that http.server cannot read, or whose method is not GET or HEAD."""
        if code == 501:
            self.send_response(405)
            self.send_header("Allow", "GET, HEAD")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._refuse(code, message or "This request cannot be read.", self.command != "HEAD")

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing: requests are of no interest in the terminal."""
