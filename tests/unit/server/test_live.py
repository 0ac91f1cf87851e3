"""The live page in a browser, while a run trains."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from browser import Visit, chromium
from made_runs import made_run

TRAIN = """
import sys, time
import maxent, tiny_world
settings = dict(hidden=(4,), batch_size=4, learning_starts=10, buffer_size=500, compile="off", log_every=50)
agent = maxent.SAC("tiny_world:Tiny-v0", verbose=False, seeds=2, eval_every=200, eval_episodes=1, **settings)
agent.learn(1_000_000, run_dir=sys.argv[1], observers=[lambda record: time.sleep(0.2)])
"""
POINTS = "maxentPage.plots[0]?.chart.data[0].length ?? 0"


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process, and kill it in the end."""
    support = str(Path(__file__).parents[2] / "support")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([support, os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def serve(folder: Path, port: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return started(sys.executable, "-m", "maxent", "watch", str(folder), "--port", port)


def url_of(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    found = re.search(r"http://\S+:(\d+)/", server.stdout.readline())
    assert found is not None
    return found[0]


def end(server: subprocess.Popen[str]) -> None:
    """Press Ctrl-C; the server ends at once, without a traceback, although pages are open."""
    began = time.monotonic()
    server.send_signal(signal.SIGINT)
    _, errors = server.communicate(timeout=30)
    assert (server.returncode, errors) == (0, "")
    assert time.monotonic() - began < 10.0


def until(page: Any, expression: str) -> None:
    """Wait until an expression is true in the page, whose policy forbids Playwright's own `wait_for_function`."""
    began = time.monotonic()
    while not page.evaluate(expression):
        assert time.monotonic() - began < 60.0, expression
        page.wait_for_timeout(50)


def test_the_page_follows_a_run_and_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    runs, run = tmp_path / "runs", tmp_path / "runs" / "tiny"
    runs.mkdir()
    with (
        chromium() as browser,
        started(sys.executable, "-c", TRAIN, str(run)) as training,
        serve(runs, "0") as first,
    ):
        url = url_of(first)
        visit = Visit(browser, url, width=1_000)
        page = visit.page
        link = page.get_by_role("link", name="tiny")
        link.wait_for(timeout=60_000)  # the list finds the run that has just begun
        link.click()
        until(page, f"{POINTS} >= 3")
        assert "training" in page.inner_text("#state")
        page.get_by_role("radio", name="updates").check()
        page.evaluate("window.here = true")  # gone after a reload
        shown = page.evaluate(POINTS)
        until(page, f"{POINTS} > {shown}")

        end(first)
        until(page, "document.getElementById('connection').textContent.includes('lost')")
        shown = page.evaluate(POINTS)
        with serve(runs, url.rsplit(":", 1)[1].strip("/")) as second:
            url_of(second)
            until(page, "document.getElementById('connection').textContent == 'live'")
            until(page, f"{POINTS} > {shown}")
            training.send_signal(signal.SIGTERM)
            until(page, "document.getElementById('state').textContent.includes('interrupted')")
            assert page.evaluate("window.here")
            assert page.get_by_role("radio", name="updates").is_checked()
            assert page.evaluate("maxentPage.plots.length") == page.locator("figure[data-chart]").count() > 3
            end(second)
        assert visit.faults() == []  # of accessibility
        assert [problem for problem in visit.problems if "ERR_" not in problem] == []  # while there was no server
        assert all(address.startswith((url, "data:")) for address in visit.requests)
        visit.close()


def test_the_list_is_cards_on_a_narrow_page(tmp_path: Path) -> None:
    """At 360 px nothing scrolls sideways, and every entry of a run has its label."""
    made_run(tmp_path / "a-run-with-quite-a-long-name-20261125-133555")
    with chromium() as browser, serve(tmp_path, "0") as server:
        visit = Visit(browser, url_of(server), width=360)
        page = visit.page
        page.locator("#runs td").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        wide = "[...document.querySelectorAll('#runs td')].every((cell) => cell.getBoundingClientRect().right <= 360)"
        assert page.evaluate(wide)
        label = "getComputedStyle(document.querySelector('#runs td'), '::before').content"
        assert page.evaluate(label) == '"state"'
        assert visit.faults() == []
        visit.close()
        end(server)
