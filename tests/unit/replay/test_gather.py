"""Batches gathered from rows: n-step returns, discounts and successors, against lists of all steps."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import BOTH, GO, LAYOUT, TERMINATE, TRUNCATE, Recording

from maxent.batch import Batch
from maxent.replay import Gather, Replay, RowLayout
from maxent.spaces import ObservationLayout

GAMMA = 0.9
OBSERVATION = ObservationLayout.from_space(
    spaces.Dict({"bytes": spaces.Box(0, 255, (2,), np.uint8), "floats": spaces.Box(-np.inf, np.inf, (2,))})
)


def gather(recording: Recording, rows: np.ndarray, n_step: int = 1, reward_scale: float = 1.0) -> Batch:
    replay = recording.replay
    read = Gather(LAYOUT, OBSERVATION, replay.ring, GAMMA, n_step, reward_scale)
    return read(replay.columns, torch.from_numpy(rows))


def ids(obs: torch.Tensor) -> np.ndarray:
    """Return the numbers of encoded observations [..., 4]; check that all four columns agree."""
    low, high = np.rint(obs[..., 0].numpy() * 255.0), np.rint(obs[..., 1].numpy() * 255.0)
    number = obs[..., 2].numpy()
    np.testing.assert_array_equal(obs[..., 3].numpy(), -number)
    np.testing.assert_array_equal(low + 256.0 * high, number)
    return number.astype(int)


def check_all_transitions(recording: Recording, n_step: int) -> None:
    """Check that the rows that start a transition, and the values gathered from them, are those of the lists."""
    batch = gather(recording, recording.starting_rows(), n_step)
    first, following = ids(batch.obs), ids(batch.next_obs)  # [P, B]
    for member in range(recording.members):
        expected = recording.transitions(member, GAMMA, n_step)
        assert set(first[member]) == set(expected)
        for k, number in enumerate(first[member]):
            want = expected[number]
            assert batch.action[member, k].tolist() == [number + 0.25, -number - 0.25]
            assert following[member, k] == want.next_id
            np.testing.assert_allclose(batch.discount[member, k], want.discount, rtol=1e-6)
            np.testing.assert_allclose(batch.reward[member, k], want.reward, rtol=1e-6)


@pytest.mark.parametrize("n_step", [1, 3, 5])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_transition_equals_the_recorded_one(data: st.DataObject, n_step: int) -> None:
    members, lanes = data.draw(st.integers(1, 2), "members"), data.draw(st.integers(1, 3), "lanes")
    ring = data.draw(st.integers(3, 12), "ring")
    later = data.draw(st.booleans(), "resets later")
    outcome = st.sampled_from([GO, GO, GO, TERMINATE, TRUNCATE, BOTH])
    steps = data.draw(st.lists(st.tuples(*[outcome] * (members * lanes)), min_size=1, max_size=30), "steps")
    cut = data.draw(st.integers(0, len(steps)), "cut off before step")
    recording = Recording(members, lanes, capacity=ring * lanes)
    for number, outcomes in enumerate(steps):
        if number == cut:
            recording.cut_off(range(0, members * lanes, 2))
        if later:
            recording.step_resetting_later(outcomes)
        else:
            recording.step(outcomes)
    check_all_transitions(recording, n_step)


@pytest.mark.parametrize("n_step", [1, 3, 5])
def test_a_long_history_wraps_around_its_rings(n_step: int) -> None:
    """90 steps in rings of 16 rows: every ring is overwritten at least five times."""
    stream = np.random.default_rng(0)
    recording = Recording(members=2, lanes=3, capacity=48)
    for _ in range(90):
        recording.step(stream.choice([GO, TERMINATE, TRUNCATE, BOTH], 6, p=[0.85, 0.06, 0.06, 0.03]))
    assert (recording.replay.written >= 90).all()
    check_all_transitions(recording, n_step)


def play(outcomes: Sequence[int]) -> tuple[Recording, np.ndarray]:
    """Return a recording of one lane from observation 1 on, and its rows in order."""
    recording = Recording(members=1, lanes=1, capacity=100)
    for outcome in outcomes:
        recording.step([outcome])
    return recording, recording.starting_rows()


def test_three_steps_by_hand() -> None:
    """Observations 1, 2, 3, 4, 5, where 5 is terminal: rewards 1⅛, 2⅛, 3⅛, 4⅛ and γ = 0.9."""
    recording, rows = play([GO, GO, GO, TERMINATE])
    batch = gather(recording, rows, n_step=3)
    # From 1: 1.125 + 0.9 · 2.125 + 0.81 · 3.125 = 5.56875, on to 4, which is not terminal: 0.9³.
    # From 2: 2.125 + 0.9 · 3.125 + 0.81 · 4.125 = 8.27875, on to 5, which is.
    # From 3: 3.125 + 0.9 · 4.125 = 6.8375 after two steps.   From 4: 4.125 after one.
    torch.testing.assert_close(batch.reward, torch.tensor([[5.56875, 8.27875, 6.8375, 4.125]]))
    torch.testing.assert_close(batch.discount, torch.tensor([[0.729, 0.0, 0.0, 0.0]]))
    assert ids(batch.next_obs).tolist() == [[4, 5, 5, 5]]


def test_truncation_bootstraps_from_the_true_final_observation() -> None:
    """Observations 1, 2, 3 and then 4 in a new episode: 4 is the successor of none of them."""
    recording, rows = play([GO, TRUNCATE, GO])
    batch = gather(recording, rows, n_step=5)
    assert ids(batch.obs).tolist() == [[1, 2, 4]]
    assert ids(batch.next_obs).tolist() == [[3, 3, 5]]
    torch.testing.assert_close(batch.discount, torch.tensor([[0.81, 0.9, 0.9]]))


@pytest.mark.parametrize(("outcome", "discount"), [(TERMINATE, 0.0), (BOTH, 0.0), (TRUNCATE, 0.9), (GO, 0.9)])
def test_only_termination_takes_the_discount_to_zero(outcome: int, discount: float) -> None:
    recording, rows = play([outcome])
    batch = gather(recording, rows)
    torch.testing.assert_close(batch.discount, torch.tensor([[discount]]))
    assert ids(batch.next_obs).tolist() == [[2]]


def test_a_step_that_only_resets_is_no_transition() -> None:
    """1 → 2 terminates; the step after that leads to 3, where the new episode begins; 3 → 4."""
    recording = Recording(members=1, lanes=1, capacity=100)
    for outcome in (TERMINATE, GO, GO):
        recording.step_resetting_later([outcome])
    batch = gather(recording, recording.starting_rows(), n_step=3)
    assert ids(batch.obs).tolist() == [[1, 3]]
    assert ids(batch.next_obs).tolist() == [[2, 4]]
    torch.testing.assert_close(batch.discount, torch.tensor([[0.0, 0.9]]))


def test_reward_scale_multiplies_the_reward_alone() -> None:
    recording, rows = play([GO, GO, TRUNCATE])
    plain, scaled = gather(recording, rows, n_step=3), gather(recording, rows, n_step=3, reward_scale=4.0)
    torch.testing.assert_close(scaled.reward, 4.0 * plain.reward)
    for name in ("obs", "action", "discount", "next_obs"):
        torch.testing.assert_close(getattr(scaled, name), getattr(plain, name), rtol=0.0, atol=0.0)


def test_members_read_their_own_rows() -> None:
    """The same row numbers give each member the observations of its own lanes."""
    recording = Recording(members=2, lanes=1, capacity=10)
    for _ in range(4):
        recording.step([GO, GO])
    batch = gather(recording, np.array([[0, 3, 1], [0, 3, 1]]))
    # Observations are numbered lane by lane: member 0 has 1, 3, 5, … and member 1 has 2, 4, 6, …
    assert ids(batch.obs).tolist() == [[1, 7, 3], [2, 8, 4]]


def test_images_and_categories_in_a_dict_with_n_steps() -> None:
    """A 2 × 2 image stays uint8 in storage and becomes [0, 1] in the batch; a category becomes one-hot."""
    space = spaces.Dict(
        {
            "camera": spaces.Box(0, 255, (2, 2), np.uint8),
            "gear": spaces.Discrete(3, start=1),
            "speed": spaces.Box(-np.inf, np.inf, (1,), np.float64),
        }
    )
    observation = ObservationLayout.from_space(space)
    layout = RowLayout(observation.floats, observation.bytes, action=1)
    replay = Replay(layout, members=1, lanes=1, capacity=8)

    def seen(time: int) -> dict[str, np.ndarray]:
        image = np.full((1, 2, 2), 51 * time, np.uint8)
        return observation.pack({"camera": image, "gear": [1 + time % 3], "speed": [[time / 4]]}, 1)

    replay.begin(seen(0))
    for time in range(3):
        no = np.zeros(1, np.bool_)
        replay.add(np.zeros((1, 1), np.float32), np.ones(1, np.float32), no, no, seen(time + 1), seen(time + 1))
    assert replay.columns["byte"].dtype == torch.uint8
    assert layout.nbytes == 4 * (2 + 1 + 1) + 4 + 1  # gear and speed, action, reward as floats; pixels; kind
    batch = Gather(layout, observation, replay.ring, gamma=0.5, n_step=2)(replay.columns, torch.tensor([[0, 1, 2]]))
    # 51/255 = 0.2 for each time; two steps on, or one where the lane ends.
    expected = [[*[0.0] * 4, 1, 0, 0, 0.0], [*[0.2] * 4, 0, 1, 0, 0.25], [*[0.4] * 4, 0, 0, 1, 0.5]]
    later = [expected[2], [*[0.6] * 4, 1, 0, 0, 0.75], [*[0.6] * 4, 1, 0, 0, 0.75]]
    torch.testing.assert_close(batch.obs, torch.tensor([expected]))
    torch.testing.assert_close(batch.next_obs, torch.tensor([later]))
    torch.testing.assert_close(batch.reward, torch.tensor([[1.5, 1.5, 1.0]]))
    torch.testing.assert_close(batch.discount, torch.tensor([[0.25, 0.25, 0.5]]))


def test_the_steps_in_between_of_a_return_have_their_observations_and_discounts() -> None:
    """n = 3 from the first three steps, of which the third ends the episode: γ = ½ and γ² = ¼ while it lasts."""
    space = spaces.Box(-np.inf, np.inf, (1,))
    observation = ObservationLayout.from_space(space)
    layout = RowLayout(observation.floats, observation.bytes, action=1)
    replay = Replay(layout, members=1, lanes=1, capacity=8)

    def seen(time: float) -> dict[str, np.ndarray]:
        return observation.pack(np.array([[time]], np.float32), 1)

    replay.begin(seen(0))
    for time in range(4):
        over, no = np.array([time == 2]), np.zeros(1, np.bool_)
        action = np.array([[10.0 + time]], np.float32)
        replay.add(action, np.ones(1, np.float32), over, no, seen(time + 1), seen(20.0 if time == 2 else time + 1))
    read = Gather(layout, observation, replay.ring, gamma=0.5, n_step=3, path=True)
    batch = read(replay.columns, torch.tensor([[0, 1, 2]]))
    assert batch.path_obs is not None
    assert batch.path_discount is not None
    # from step 0: steps 1 and 2; from step 1: step 2 alone; from step 2, the last one, none
    assert batch.path_discount.tolist() == [[0.5, 0.5, 0.0, 0.25, 0.0, 0.0]]
    counted = batch.path_discount[0] > 0
    assert batch.path_obs[0, counted, 0].tolist() == [1.0, 2.0, 2.0]
    without = Gather(layout, observation, replay.ring, gamma=0.5, n_step=3)(replay.columns, torch.tensor([[0, 1, 2]]))
    assert without.path_obs is None
    for name in ("obs", "action", "reward", "discount", "next_obs"):
        assert torch.equal(getattr(batch, name), getattr(without, name))
