"""What is remembered, returns of several steps by hand, and drawing by priority against its closed form."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import RecipeError
from components.families.agents.priorities import Priorities
from components.families.agents.replay import Replay
from components.trading.environment import Step

CPU = torch.device("cpu")


class TwoRows:
    """The sizes that a replay asks for."""

    num_envs, observation_size, action_size, num_actions = 2, 1, 1, 0


def filled(capacity: int, num_moments: int, *, ends: dict[tuple[int, int], str] | None = None) -> Replay:
    """Row r at moment t sees 10 r + t, earns 2 ** t (row 0) or 100 (row 1), and leads to what it sees plus a half."""
    replay = Replay(capacity, TwoRows(), device=CPU)
    for time in range(num_moments):
        seen = torch.tensor([[float(time)], [10.0 + time]])
        how = [(ends or {}).get((time, row)) for row in range(2)]
        step = Step(
            observation=seen + 1,
            reward=torch.tensor([2.0**time, 100.0]),
            terminated=torch.tensor([end == "terminated" for end in how]),
            truncated=torch.tensor([end == "truncated" for end in how]),
            final=seen + 0.5,
        )
        replay.add(seen, torch.full((2, 1), float(time)), step)
    return replay


def test_the_return_of_three_steps_is_that_worked_out_by_hand() -> None:
    batch = filled(20, 6).gather(torch.tensor([0, 2]), gamma=0.5, n_step=3)
    assert batch.reward.tolist() == [1 + 0.5 * 2 + 0.25 * 4, 2 + 0.5 * 4 + 0.25 * 8]
    assert batch.discount.tolist() == [0.125, 0.125]
    assert batch.following[:, 0].tolist() == [2.5, 3.5]
    assert batch.observation[:, 0].tolist() == [0.0, 1.0]
    assert batch.action[:, 0].tolist() == [0.0, 1.0]


def test_an_end_ends_the_sum_and_only_a_cut_off_leaves_a_value_behind() -> None:
    replay = filled(20, 6, ends={(1, 0): "terminated", (1, 1): "truncated"})
    batch = replay.gather(torch.tensor([0, 1]), gamma=0.5, n_step=3)
    assert batch.reward.tolist() == [1 + 0.5 * 2, 100 + 0.5 * 100]
    assert batch.discount.tolist() == [0.0, 0.25]
    assert batch.following[:, 0].tolist() == [1.5, 11.5]


def test_the_sum_ends_with_the_newest_step_even_where_the_ring_goes_on_with_the_oldest() -> None:
    replay = filled(8, 6)  # 4 moments fit: 4 and 5 lie where 0 and 1 did
    batch = replay.gather(torch.tensor([0, 2, 6]), gamma=0.5, n_step=3)
    assert batch.observation[:, 0].tolist() == [4.0, 5.0, 3.0]
    assert batch.reward.tolist() == [16 + 0.5 * 32, 32.0, 8 + 0.5 * 16 + 0.25 * 32]
    assert batch.discount.tolist() == [0.25, 0.5, 0.125]


def test_a_ring_without_room_for_one_moment_is_refused() -> None:
    with pytest.raises(RecipeError, match="buffer must hold a step of each of 2 environments, was 1"):
        Replay(1, TwoRows(), device=CPU)


def test_what_was_saved_is_remembered_and_goes_on_at_the_same_place() -> None:
    saved = filled(8, 3)
    again = Replay(8, TwoRows(), device=CPU)
    again.load_state({name: tensor.clone() for name, tensor in saved.state().items()})
    assert saved.state()["reward"].shape == (6,)  # what was never filled is not kept
    step = Step(torch.zeros(2, 1), torch.ones(2), *torch.zeros(2, 2, dtype=torch.bool), torch.zeros(2, 1))
    assert saved.add(torch.zeros(2, 1), torch.zeros(2, 1), step).tolist() == [6, 7]
    assert again.add(torch.zeros(2, 1), torch.zeros(2, 1), step).tolist() == [6, 7]
    for name, tensor in saved.state().items():
        assert torch.equal(tensor, again.state()[name]), name


def test_chances_and_weights_are_those_of_the_closed_form() -> None:
    priorities = Priorities(5, exponent=0.5, device=CPU)
    slots = torch.arange(4)
    priorities.enter(slots)
    priorities.update(slots, torch.tensor([1.0, 4.0, 9.0, 16.0]))
    chances = torch.tensor([1, 2, 3, 4]) / 10
    torch.testing.assert_close(priorities.chances(slots).float(), chances, rtol=1e-5, atol=0)
    weights = priorities.weights(slots, num_steps=4, exponent=0.4)
    torch.testing.assert_close(weights, (4 * chances) ** -0.4 / (4 * 0.1) ** -0.4, rtol=1e-5, atol=0)
    priorities.enter(torch.tensor([4]))  # as likely as the likeliest
    assert priorities.chances(torch.tensor([4])).item() == pytest.approx(4 / 14, rel=1e-5)


def test_an_error_that_rounding_has_put_below_0_keeps_its_step_among_those_drawn() -> None:
    priorities = Priorities(2, exponent=0.5, device=CPU)
    priorities.update(torch.arange(2), torch.tensor([-3e-6, 4e-6]))
    assert priorities.chances(torch.arange(2)).tolist() == pytest.approx([2 / (2 + 5**0.5), 5**0.5 / (2 + 5**0.5)])


def test_with_the_exponent_0_errors_do_not_count() -> None:
    priorities = Priorities(6, exponent=0.0, device=CPU)
    priorities.enter(torch.arange(6))
    priorities.update(torch.arange(3), torch.tensor([0.0, 5.0, 500.0]))
    assert priorities.chances(torch.arange(6)).tolist() == pytest.approx([1 / 6] * 6)


@settings(max_examples=40)
@given(
    errors=st.lists(st.floats(0, 1e3, width=32), min_size=1, max_size=60),
    num=st.integers(1, 50),
    seed=st.integers(0, 2**31),
)
def test_a_draw_takes_of_each_stratum_the_step_that_the_running_sum_passes_there(
    errors: list[float], num: int, seed: int
) -> None:
    priorities = Priorities(70, exponent=1.0, device=CPU)
    priorities.update(torch.arange(len(errors)), torch.tensor(errors))
    drawn = priorities.draw(num, generator=torch.Generator().manual_seed(seed))
    random = torch.rand(num, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    sums = (torch.tensor(errors).double() + 1e-6).cumsum(0)
    low, high = torch.cat([torch.zeros(1), sums[:-1]])[drawn], sums[drawn]
    target = sums[-1] * (torch.arange(num) + random) / num
    slack = 1e-9 * sums[-1]
    assert bool(((low - slack <= target) & (target <= high + slack)).all())


def test_a_slot_without_a_step_is_never_drawn() -> None:
    priorities = Priorities(1000, exponent=0.7, device=CPU)
    steps = torch.tensor([3, 40, 41, 977])
    priorities.enter(steps)
    priorities.update(steps, torch.tensor([1e-9, 3.0, 1e6, 2.0]))
    drawn = priorities.draw(5000, generator=torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) <= set(steps.tolist())
    share = (drawn == 41).double().mean().item()
    assert share == pytest.approx(priorities.chances(torch.tensor([41])).item(), abs=2 / 5000)
