"""`maxent watch`: what is said before it serves, and how it ends."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from made_runs import made_run

from maxent.cli import main
from maxent.cli.watch import reference
from maxent.results.run import read_run


def test_ctrl_c_ends_it_without_a_word(tmp_path: Path) -> None:
    made_run(tmp_path / "run", rows=2)
    command = [sys.executable, "-m", "maxent", "watch", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(rf"Runs below {tmp_path}/: (http://127\.0\.0\.1:\d+/)   \(Ctrl-C ends it; .*\)\n", line)
        assert found is not None, line
        with urllib.request.urlopen(found[1], timeout=60) as page:
            assert b"Pendulum-v1" in page.read()
        with urllib.request.urlopen(f"{found[1]}stream", timeout=60) as stream:  # open while the server ends
            assert stream.readline() == b"retry: 1000\n"
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "\n", "")


def test_a_busy_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["watch", str(tmp_path), "--port", str(port)]) == 2
    expected = f"maxent: port {port} of 127.0.0.1 is in use: choose another one with --port, or any with --port 0.\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere is no folder: name the one that holds your runs."),
        (["--port", "70000"], "--port: expected a number from 0 to 65535, got 70000."),
        (["--port", "x"], "--port: "),
        (["--host", "no such host"], "--host: expected an address or a name of this machine, got 'no such host'."),
        (["--host", "192.0.2.1"], "port 8642 of 192.0.2.1 cannot be used: "),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["watch", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"maxent: {message}")
    assert err.count("\n") == 1


def test_the_defaults_of_the_algorithm_are_known(tmp_path: Path) -> None:
    """Live pages show which settings differ from them, so they are found for an algorithm that nobody has imported."""
    usual, recipe = reference(read_run(made_run(tmp_path / "run")))
    assert usual is not None and usual["batch_size"] == 256 and usual["gamma"] == 0.99
    assert recipe == {}
