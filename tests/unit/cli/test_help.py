"""Help of the command line."""

import re
from dataclasses import fields

import pytest
from commands import TINY

from maxent.cli import main
from maxent.training.settings import RunConfig


class TestHelp:
    def test_an_on_policy_algorithm_lists_no_settings_of_a_replay(self, capfd: pytest.CaptureFixture[str]) -> None:
        """capfd: tyro writes help where the process does."""
        with pytest.raises(SystemExit):
            main(["train", TINY, "--algo", "reinforce", "--help"])
        assert re.search(r"--rollout-steps", help_ := capfd.readouterr().out)
        assert not re.search(r"--(batch-size|n-step|replay|learning-starts)", help_)
        with pytest.raises(SystemExit):
            main(["train", TINY, "--help"])
        assert re.search(r"--batch-size", capfd.readouterr().out)
        assert not any("Suppress" in repr(setting.type) for setting in fields(RunConfig))
