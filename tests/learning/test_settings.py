"""Defaults that every training has unless its recipe says otherwise."""

import pytest

from components.learning.settings import GradientConfig, LoopConfig


@pytest.mark.promise("S4-27")
def test_gradients_are_bounded_at_one() -> None:
    assert GradientConfig().clip_norm == 1.0


@pytest.mark.promise("S4-51")
def test_what_goes_to_a_gpu_is_copied_from_page_locked_memory() -> None:
    assert LoopConfig().pin_memory is True
