"""MuJoCo's warnings: each once, to the log."""

import logging

import pytest

from maxent.envs import mujoco_log


def test_a_message_is_logged_once_whatever_its_numbers(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mujoco_log, "_seen", set())
    with caplog.at_level(logging.WARNING, "maxent.mujoco"):
        mujoco_log._once("unstable at DOF 3. Time = 0.25.")
        mujoco_log._once("unstable at DOF 4. Time = 1.5e-3.")
        mujoco_log._once("too many contacts")
    assert [record.getMessage() for record in caplog.records] == [
        "MuJoCo: unstable at DOF 3. Time = 0.25.",
        "MuJoCo: too many contacts",
    ]


def test_a_handler_of_the_program_stays() -> None:
    mujoco = pytest.importorskip("mujoco")
    before = mujoco.get_mju_user_warning()

    def own(message: str) -> None:
        raise AssertionError(message)

    try:
        mujoco.set_mju_user_warning(own)
        mujoco_log.redirect_warnings()
        assert mujoco.get_mju_user_warning() is own
        mujoco.set_mju_user_warning(None)
        mujoco_log.redirect_warnings()
        assert mujoco.get_mju_user_warning() is mujoco_log._once
    finally:
        mujoco.set_mju_user_warning(before)
