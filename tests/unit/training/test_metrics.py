import numpy as np
import pytest
from safetensors.torch import load, save

from maxent.runs.observer import Record
from maxent.runs.tags import EPISODES, RUN_TAGS, SHARED_TAGS
from maxent.stateful import Saved
from maxent.training.metrics import EpisodeWindow


def test_returns_and_lengths_are_means_per_member():
    window = EpisodeWindow(2)
    window.add_episode(0, 1.0, 10)
    window.add_episode(0, 2.0, 30)
    window.add_episode(1, -4.0, 5)
    values = window.summarise()
    assert values["rollout/ep_rew_mean"].tolist() == [1.5, -4.0]  # (1 + 2) / 2
    assert values["rollout/ep_len_mean"].tolist() == [20.0, 5.0]
    assert window.returns().tolist() == [1.5, -4.0]


def test_a_member_without_an_episode_is_unknown():
    window = EpisodeWindow(2)
    window.add_episode(1, 3.0, 7)
    values = window.summarise()
    np.testing.assert_array_equal(values["rollout/ep_rew_mean"], [np.nan, 3.0])
    np.testing.assert_array_equal(values["rollout/ep_len_mean"], [np.nan, 7.0])


def test_only_the_last_hundred_episodes_count():
    window = EpisodeWindow(1)
    for episode in range(EPISODES + 50):
        window.add_episode(0, float(episode), episode)
    # The last 100 of 0 … 149 are 50 … 149, whose mean is (50 + 149) / 2.
    assert EPISODES == 100
    assert window.returns().tolist() == [99.5]


def test_a_summary_keeps_the_episodes():
    window = EpisodeWindow(1)
    window.add_episode(0, 2.0, 3)
    window.summarise()
    assert window.returns().tolist() == [2.0]


@pytest.mark.parametrize("before", [0, 3, 130])
def test_a_restored_window_goes_on_bit_for_bit(before):
    rng = np.random.default_rng(before)
    episodes = [(int(rng.integers(3)), float(rng.normal()), int(rng.integers(1, 1000))) for _ in range(before + 90)]
    whole, first = EpisodeWindow(3), EpisodeWindow(3)
    for episode in episodes[:before]:
        whole.add_episode(*episode)
        first.add_episode(*episode)
    resumed = EpisodeWindow(3)
    resumed.restore(Saved({}, load(save(dict(first.state().tensors)))))
    for episode in episodes[before:]:
        whole.add_episode(*episode)
        resumed.add_episode(*episode)
        for tag, value in whole.summarise().items():
            np.testing.assert_array_equal(resumed.summarise()[tag], value)


def test_restoring_replaces_what_was_there():
    used = EpisodeWindow(1)
    used.add_episode(0, 1e9, 1)
    used.restore(EpisodeWindow(1).state())
    assert np.isnan(used.returns()).all()


def test_the_state_is_a_copy():
    window = EpisodeWindow(1)
    window.add_episode(0, 1.0, 1)
    state = window.state().tensors
    window.add_episode(0, 5.0, 1)
    assert state["episodes"].tolist() == [1]
    assert state["returns"][0, 0] == 1.0
    assert state["returns"][0, 1].isnan()


def test_a_state_of_another_population_is_refused():
    with pytest.raises(ValueError, match="have 2 members, this run has 3"):
        EpisodeWindow(3).restore(EpisodeWindow(2).state())


def test_the_mean_of_a_record_is_known_only_if_every_member_is():
    record = Record(5, {"eval/mean_reward": np.array([1.0, 4.0]), "train/entropy": np.array([1.0, np.nan])})
    assert record.mean("eval/mean_reward") == 2.5
    assert np.isnan(record.mean("train/entropy"))
    assert np.isnan(record.mean("train/q_mean"))


def test_shared_tags_are_those_of_the_run():
    assert {"time/fps", "train/n_updates"} <= set(RUN_TAGS) <= SHARED_TAGS
    assert not {tag for tag in SHARED_TAGS if tag.startswith(("eval/", "rollout/ep"))}
