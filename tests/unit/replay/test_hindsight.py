"""Hindsight goals, on rows where observation i has the achieved goal i and the desired goal −i."""

import numpy as np
import pytest
import torch
from goal_rows import ENDING, ENDLESS, GAMMA, OBSERVATION, play, sampler
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import BOTH, GO, LAYOUT, TERMINATE, TRUNCATE, Past, Recording
from scipy.stats import chisquare

from maxent.replay import Gather, GoalRules, Hindsight, Replay


@pytest.fixture(autouse=True)
def no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the check of rewards: those of a recording are not a function of the goals."""
    monkeypatch.setattr(Hindsight, "_check_rewards", lambda *_: None)


def ids(replay: Replay, rows: np.ndarray) -> np.ndarray:
    """The numbers of the observations in rows [P, B]."""
    return np.take_along_axis(replay.columns["row"].numpy()[..., 0], rows, 1).astype(int)


def episodes(recording: Recording, member: int) -> dict[int, Past]:
    """Return the episode of each observation, by its number."""
    lanes = range(member * recording.lanes, (member + 1) * recording.lanes)
    return {number: past for lane in lanes for past in recording.episodes[lane] for number in past.ids}


def worked_out(past: Past, number: int, goal: int, n_step: int, ending: bool) -> tuple[float, float, int]:
    """Return reward, discount and successor of n steps towards a goal, computed step by step."""
    t, total, discount = past.ids.index(number), 0.0, 1.0
    for k in range(n_step):
        if t + k + 1 == len(past.ids):
            break
        reached = past.ids[t + k + 1]
        total += discount * (reached + goal / 1024.0)
        number, discount = reached, discount * GAMMA
        if (reached == goal) if ending else (past.terminated and t + k + 2 == len(past.ids)):
            return total, 0.0, number
    return total, discount, number


def check(recording: Recording, hindsight: Hindsight, ending: bool) -> None:
    """Sample a batch and compare every gathered value with the episodes."""
    replay, n_step, known = recording.replay, hindsight.n_step, hindsight.relabelled
    rows, extras = hindsight.sample(0.0)
    gather = Gather(LAYOUT, OBSERVATION, replay.ring, GAMMA, n_step, reward_scale=4.0)
    batch = gather(replay.columns, torch.from_numpy(rows), {k: torch.from_numpy(v) for k, v in extras.items()})
    obs, next_obs = batch.obs.numpy(), batch.next_obs.numpy()  # achieved, two bytes, desired
    number = ids(replay, rows)
    np.testing.assert_array_equal(obs[..., 0], number)
    np.testing.assert_array_equal(batch.action[..., 0].numpy(), number + 0.25)
    for member in range(recording.members):
        found, plain = episodes(recording, member), recording.transitions(member, GAMMA, n_step)
        for k, own in enumerate(number[member].tolist()):
            if k < known:
                past, goal = found[own], int(obs[member, k, 3])
                assert goal in past.ids[past.ids.index(own) + 1 :]
                total, discount, following = worked_out(past, own, goal, n_step, ending)
                assert next_obs[member, k, 3] == goal
            else:
                total, discount, following = plain[own]
                assert (obs[member, k, 3], next_obs[member, k, 3]) == (-own, -following)
            assert next_obs[member, k, 0] == following
            np.testing.assert_array_equal(
                np.rint(255.0 * next_obs[member, k, 1:3]), [following % 256, following // 256]
            )
            np.testing.assert_allclose(batch.reward[member, k], 4.0 * total, rtol=1e-6)
            np.testing.assert_allclose(batch.discount[member, k], discount, rtol=1e-6)


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("rules", [ENDING, ENDLESS])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_goal_is_reached_later_and_rewards_and_discounts_follow_it(
    data: st.DataObject, rules: GoalRules, n_step: int
) -> None:
    """For samples at any time, with rings that overwrite their rows, and any kind of episode end."""
    members, lanes = data.draw(st.integers(1, 2), "members"), data.draw(st.integers(1, 3), "lanes")
    ring, later = data.draw(st.integers(3, 12), "ring"), data.draw(st.booleans(), "resets later")
    outcome = st.sampled_from([GO, GO, GO, GO, TERMINATE, TRUNCATE, BOTH])
    steps = data.draw(st.lists(st.tuples(*[outcome] * (members * lanes)), min_size=1, max_size=40), "steps")
    sampled = data.draw(st.sets(st.integers(0, len(steps))), "sampled after")
    cut = data.draw(st.integers(0, len(steps)), "cut off before")
    recording = Recording(members, lanes, capacity=ring * lanes)
    hindsight = sampler(recording.replay, 16, rules, ratio=0.75, n_step=n_step)
    for number, outcomes in enumerate(steps):
        if number == cut:
            recording.cut_off(range(0, members * lanes, 2))
        (recording.step_resetting_later if later else recording.step)(outcomes)
        if number in sampled or number == len(steps) - 1:
            check(recording, hindsight, rules is ENDING)


def test_goals_are_uniform_over_the_rest_of_the_episode() -> None:
    """Observations 1 to 4 and 5 to 9, of which 9 is the newest; all later ones of the episode are equally likely."""
    recording = play([GO, GO, TRUNCATE, GO, GO, GO, GO])
    rows, extras = sampler(recording.replay, 21_000).sample(0.0)
    number, goal = ids(recording.replay, rows)[0], extras["goal"][0, :, 0].astype(int)
    for own in (1, 2, 3, 5, 6, 7, 8):
        drawn, count = np.unique(goal[number == own], return_counts=True)
        assert drawn.tolist() == list(range(own + 1, 5 if own < 5 else 10))
        assert len(count) == 1 or chisquare(count).pvalue > 1e-3


@pytest.mark.parametrize(("ratio", "relabelled"), [(0.0, 0), (0.5, 5), (0.84, 8), (0.85, 9), (1.0, 10)])
def test_the_share_is_of_every_batch(ratio: float, relabelled: int) -> None:
    recording = play([GO] * 6)
    rows, extras = sampler(recording.replay, 10, ratio=ratio, n_step=2).sample(0.0)
    assert rows.shape == (1, 10)
    assert {name: (array.shape, array.dtype) for name, array in extras.items()} == (
        {
            "goal": ((1, relabelled, 1), np.float32),
            "rewards": ((1, relabelled, 2), np.float32),
            "terminal": ((1, relabelled, 2), np.bool_),
        }
        if relabelled
        else {}
    )


def test_three_steps_by_hand() -> None:
    """1 → 2 → 3 → 4 → 5, where 5 is terminal, and the goal 3: rewards 2 + 3/1024 and 3 + 3/1024, then termination.

    2.0029296875 + ½ · 3.0029296875 = 3.50439453125. Without a rule for termination the third step counts as well:
    3.50439453125 + ¼ · 4.0029296875 = 4.505126953125, with the discount ⅛.
    """
    recording = play([GO, GO, GO, TERMINATE])
    replay, rows = recording.replay, torch.tensor([[0]])
    gather = Gather(LAYOUT, OBSERVATION, replay.ring, GAMMA, n_step=3)
    extras = {
        "goal": torch.tensor([[[3.0]]]),
        "rewards": torch.tensor([[[2.0 + 3 / 1024, 3.0 + 3 / 1024, 4.0 + 3 / 1024]]]),
    }
    batch = gather(replay.columns, rows, extras)
    assert (batch.reward.item(), batch.discount.item(), batch.next_obs[0, 0, 0].item()) == (4.505126953125, 0.125, 4.0)
    batch = gather(replay.columns, rows, extras | {"terminal": torch.tensor([[[False, True, False]]])})
    assert (batch.reward.item(), batch.discount.item(), batch.next_obs[0, 0, 0].item()) == (3.50439453125, 0.0, 3.0)
    assert batch.obs[0, 0, 3].item() == batch.next_obs[0, 0, 3].item() == 3.0


def test_a_termination_by_the_old_goal_alone_is_removed() -> None:
    """1 → 2 terminated; with the goal 9 it does not, so the value of 2 counts."""
    recording = play([TERMINATE, GO])
    gather = Gather(LAYOUT, OBSERVATION, recording.replay.ring, GAMMA, n_step=3)
    extras = {
        "goal": torch.tensor([[[9.0]]]), "rewards": torch.ones(1, 1, 3), "terminal": torch.zeros(1, 1, 3, dtype=bool),
    }  # fmt: skip
    batch = gather(recording.replay.columns, torch.tensor([[0]]), extras)
    assert (batch.reward.item(), batch.discount.item(), batch.next_obs[0, 0, 0].item()) == (1.0, 0.5, 2.0)


@pytest.mark.parametrize("rules", [ENDING, ENDLESS])
def test_the_compiled_batch_equals_the_eager_one(rules: GoalRules) -> None:
    recording = Recording(2, 2, capacity=40)
    stream = np.random.default_rng(0)
    for _ in range(60):
        recording.step(stream.choice([GO, GO, GO, TERMINATE, TRUNCATE], 4))
    rows, extras = sampler(recording.replay, 16, rules, ratio=0.5, n_step=3).sample(0.0)
    gather = Gather(LAYOUT, OBSERVATION, recording.replay.ring, GAMMA, n_step=3)
    inputs = (
        recording.replay.columns, torch.from_numpy(rows), {name: torch.from_numpy(a) for name, a in extras.items()},
    )  # fmt: skip
    compiled = torch.compile(lambda *given: gather(*given)[:5], fullgraph=True, dynamic=False)
    for own, other in zip(compiled(*inputs), gather(*inputs)[:5], strict=True):
        torch.testing.assert_close(own, other)


def test_a_restored_sampler_continues_exactly() -> None:
    """Episode ends are found again in the rows, also of episodes whose beginning the ring has overwritten."""
    recording, stream = Recording(2, 2, capacity=40), np.random.default_rng(0)
    whole = sampler(recording.replay, 32, n_step=2)
    for step in range(80):
        recording.step(stream.choice([GO, TERMINATE, TRUNCATE], 4, p=[0.9, 0.05, 0.05]))
        sample = whole.sample(0.0)
        if step > 30:
            again = sampler(recording.replay, 32, n_step=2)
            again.restore(whole.state())
            for own, other in zip(again.streams, whole.streams, strict=True):
                own.bit_generator.state = other.bit_generator.state
            sample, repeated = whole.sample(0.0), again.sample(0.0)
            np.testing.assert_array_equal(sample.rows, repeated.rows)
            for name, array in sample.extras.items():
                np.testing.assert_array_equal(array, repeated.extras[name])


def test_members_equal_single_runs() -> None:
    both, alone = Recording(2, 2, capacity=24), Recording(1, 2, capacity=24)
    pair, single = sampler(both.replay, 16, seeds=(7, 8)), sampler(alone.replay, 16, seeds=(8,))
    stream = np.random.default_rng(3)
    for _ in range(30):
        outcomes = stream.choice([GO, GO, TERMINATE, TRUNCATE], 4)
        both.step(outcomes)
        alone.step(outcomes[2:])
        own, other = pair.sample(0.0), single.sample(0.0)
        np.testing.assert_array_equal(own.rows[1], other.rows[0])
        np.testing.assert_array_equal(own.extras["terminal"][1], other.extras["terminal"][0])
        # observations are numbered over all lanes, so numbers differ, and positions in the episode do not
        start, goal = ids(both.replay, own.rows)[1], own.extras["goal"][1, :, 0].astype(int)
        start_alone, goal_alone = ids(alone.replay, other.rows)[0], other.extras["goal"][0, :, 0].astype(int)
        found, found_alone = episodes(both, 1), episodes(alone, 0)
        for k in range(16):
            one, two = found[start[k]].ids, found_alone[start_alone[k]].ids
            assert one.index(goal[k]) - one.index(start[k]) == two.index(goal_alone[k]) - two.index(start_alone[k])
