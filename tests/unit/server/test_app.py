"""Requests to the server: what it sends, and what it refuses."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_runs import made_run

from maxent.server.app import Server, is_allowed, own_hosts
from maxent.server.feeds import Feeds


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, one of them deep and with an odd name; a secret beside the folder, a link to it, and a damaged run."""
    base = tmp_path_factory.mktemp("served")
    root = base / "runs"
    made_run(root / "one", findings=True)
    made_run(root / "deep" / "a&b <i> é#?%41")
    (root / "one" / "secret.txt").write_text("secret")
    made_run(base / "outside")
    (root / "link").symlink_to(base / "outside")
    (root / "bad").mkdir()
    (root / "bad" / "config.json").write_text("{")
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    with Server(Feeds(root), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body, answer.headers


def raw(server: Server, data: bytes) -> str:
    """Return what the server sends for these bytes."""
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()


def events(server: Server, path: str, count: int, kind: str = "", **headers: str) -> list[dict[str, Any]]:
    """Return the first events of a stream, those of one kind if one is given."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    found: list[dict[str, Any]] = []
    fields: dict[str, str] = {}
    while len(found) < count:
        line = answer.readline().decode().rstrip("\n")
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields and kind in ("", fields["event"]):
            found.append({**fields, "data": json.loads(fields["data"])})
            fields = {}
        else:
            fields = {}
    connection.close()
    return found


def test_the_list_links_to_every_run(server: Server) -> None:
    status, body, headers = ask(server, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert '<a href="/run/one">one</a>' in body
    assert "Pendulum-v1" in body
    assert "<i>" not in body
    link = '<a href="/run/deep/a%26b%20%3Ci%3E%20%C3%A9%23%3F%2541">'
    assert link in body
    assert "bad/config.json: it is not a JSON file" in body
    assert "link" not in body.split("<table>")[1].split("</table>")[0].replace("<a", "")
    status, body, _ = ask(server, link.split('"')[1])
    assert status == 200
    assert "deep/a&amp;b &lt;i&gt; é#?%41" in body


def test_a_run_has_the_sections_of_its_report(server: Server, root: Path) -> None:
    status, body, _ = ask(server, "/run/one")
    assert status == 200
    assert 'id="figure-return"' in body
    assert "Q grows &lt;b&gt;fast&lt;/b&gt;" in body
    assert "interrupted, step 20,000 of 20,000" in body or "finished, step 20,000" in body
    assert str(root) not in body.split("<footer>")[0].replace(f"Runs below {root}/", "")


def test_pages_forbid_everything_else(server: Server) -> None:
    _, body, headers = ask(server, "/run/one")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "connect-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    meta = body.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert policy == f"{meta}; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_other_methods_are_refused(server: Server, method: str) -> None:
    for path in ("/", "/run/one", "/nowhere"):
        status, body, headers = ask(server, path, method)
        assert (status, body, headers["Allow"]) == (405, "", "GET, HEAD")


def test_head_has_the_headers_alone(server: Server) -> None:
    for path in ("/", "/run/one", "/stream", "/run/none", "/stream/run/one"):
        status, body, headers = ask(server, path, "HEAD")
        assert (status, body) == (404 if path == "/run/none" else 200, "")
        assert headers["Content-Security-Policy"] or "stream" in path


@pytest.mark.parametrize("path", [
    "/run/../outside", "/run/one/../../outside", "/run/%2e%2e/outside", "/run/..%2foutside", "/run/..%5coutside",
    "/run/%252e%252e/outside", "/run/link", "/run//one", "/run/one/", "/run/./one", "/run/one/.", "/run/one%00",
    "/run/one/config.json", "/run/one/secret.txt", "/run/one/best", "/run/", "/run", "/one", "//one", "/etc/passwd",
    "/run//etc/passwd", "/run/%2fetc/passwd", "/stream/run/../outside", "/stream/run/link", "/stream/run/none",
    "/streams", "/stream/", "/favicon.ico", "/run/" + "a" * 5_000, "/run/%ff%fe", "http://localhost/run/one", "*",
])  # fmt: skip
def test_nothing_outside_of_the_folder_is_served(server: Server, path: str) -> None:
    """http.client would refuse some of these, so the bytes are sent as they are."""
    answer = raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.startswith("HTTP/1.0 404"), answer[:200]
    assert "secret" not in answer


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True), ("LOCALHOST:8642", True), ("127.0.0.1:1", True), ("[::1]:8642", True),
        ("evil.example", False), ("localhost.evil.example", False), ("127.0.0.1.evil.example", False),
        ("evil.example:8642", False), ("10.0.0.1", False), ("", False), ("localhost@evil.example", False),
        ("localhost/x", False), ("localhost evil", False), ("[::1", False), ("localhost:", False),
    ],
)  # fmt: skip
def test_requests_have_to_name_this_machine(server: Server, host: str, allowed: bool) -> None:
    for path in ("/", "/run/one", "/run/none"):
        answer = raw(server, f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (answer.split()[1] != "403") == allowed


def test_a_request_without_a_host_or_with_two_is_refused(server: Server) -> None:
    assert raw(server, b"GET / HTTP/1.0\r\n\r\n").split()[1] == "403"
    assert raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n").split()[1] == "403"


def test_a_server_for_the_network_takes_its_own_names_and_addresses() -> None:
    hosts = own_hosts("0.0.0.0")
    for header in ("192.168.0.7:8642", "[fe80::1]", "localhost", socket.gethostname()):
        assert is_allowed(header, hosts, any_address=True)
    assert not is_allowed("evil.example", hosts, any_address=True)
    assert is_allowed("robot.lan", own_hosts("robot.lan"), any_address=True)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n"])
def test_what_is_no_request_is_refused(server: Server, data: bytes) -> None:
    assert "200" not in raw(server, data)
    assert ask(server, "/")[0] == 200


def test_a_stream_sends_the_state_and_what_the_page_lacks(server: Server, root: Path) -> None:
    state, content = events(server, "/stream/run/one", 2)
    assert state["event"] == "state"
    assert "step 20,000 of 20,000" in state["data"]
    assert content["event"] == "content"
    assert 'id="figure-return"' in content["data"]
    digest = content["id"]
    assert f'data-last="{digest}"' in ask(server, "/run/one")[1]
    for path, headers in ((f"/stream/run/one?after={digest}", {}), ("/stream/run/one", {"Last-Event-ID": digest})):
        (state,) = events(server, path, 1, **headers)
        assert state["event"] == "state"
    content = content_after_change(server, digest, root)
    assert content["id"] != digest
    assert "another thing" in content["data"]


def content_after_change(server: Server, digest: str, root: Path) -> dict[str, Any]:
    """Return the content after `digest` when a finding is written while the stream is open."""
    path = root / "one" / "findings.json"
    data = json.loads(path.read_text())
    data["findings"].append(data["findings"][0] | {"what": "another thing"})

    def write() -> None:
        path.write_text(json.dumps(data))

    timer = threading.Timer(0.3, write)
    timer.start()
    found = events(server, f"/stream/run/one?after={digest}", 1, kind="content")
    timer.join()
    return found[0]


def test_a_run_that_becomes_unreadable_says_so_and_keeps_what_was_shown(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    feeds = Feeds(tmp_path)
    feed = feeds.run("run")
    assert feed is not None
    before = feed.snapshot()
    (run / "metrics.csv").write_text("step\nx\n")
    feed._due = 0.0
    after = feed.snapshot()
    assert after.state.startswith("cannot be read: ")
    assert "metrics.csv" in after.state
    assert after.sections == before.sections


def test_more_connections_than_allowed_are_closed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.server.app.CONNECTIONS", 2)
    with Server(Feeds(root), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        waiting = [socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=30) for _ in range(3)]
        assert waiting[2].recv(10) == b""
        for connection in waiting:
            connection.close()
        server.shutdown()
        thread.join()


def test_a_run_itself_can_be_watched(root: Path) -> None:
    feeds = Feeds(root / "one")
    assert feeds.run("") is not None
    assert '<a href="/run/">one</a>' in feeds.list.snapshot().sections
    assert feeds.title("") == "one"
    assert feeds.run("best") is None


def test_few_runs_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxent.server.feeds.KEPT", 2)
    for name in "abc":
        made_run(tmp_path / name, rows=2)
    feeds = Feeds(tmp_path)
    first = feeds.run("a")
    assert feeds.run("a") is first
    feeds.run("b")
    feeds.run("c")
    assert feeds.run("a") is not first


def test_settings_are_compared_with_the_reference(root: Path) -> None:
    feeds = Feeds(root, lambda run: ({"batch_size": 1, "gamma": 0.99}, {}))
    feed = feeds.run("one")
    assert feed is not None
    sections = feed.snapshot().sections
    assert "Settings that differ" in sections and "defaults of this algorithm are unknown" not in sections


def test_a_page_says_that_its_run_has_failed_when_it_has(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", ending="interrupted")
    feed = Feeds(tmp_path).run("run")
    assert feed is not None
    assert "This run was interrupted" in feed.snapshot().sections
    (run / "ending.json").write_text('{"format": 1, "reason": "failed"}')
    feed._due = 0.0
    assert "This run has failed" in feed.snapshot().sections


def test_the_list_is_titled_by_the_name_of_its_folder(server: Server) -> None:
    _, page, _ = ask(server, "/")
    assert "<h1>Runs below runs/</h1>" in page
