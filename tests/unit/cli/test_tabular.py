"""`maxent tabular`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Said


class TestTabular:
    @pytest.mark.parametrize("what", ["graph", "spider"])
    def test_an_example_is_printed_and_drawn(self, say: Callable[..., Said], what: str) -> None:
        plain = say("tabular", what)
        assert (plain.code, plain.err) == (0, "")
        assert len(plain.out.splitlines()) > 5
        assert list(Path.cwd().iterdir()) == []
        drawn = say("tabular", what, "--out", "deep/folder")
        assert drawn.out == f"{plain.out}Picture: deep/folder/{what}.png\n"
        assert Path(f"deep/folder/{what}.png").read_bytes().startswith(b"\x89PNG")
