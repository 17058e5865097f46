"""A kernel that differs from the definition is found out when it is loaded."""

import logging

import numpy as np
import pytest

from components.market import indicators, own


def test_a_kernel_compiled_with_other_constants_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert own.kernel() is not None, "compiled with the right constants first: what is compiled stays in the cache"
    own.kernel.cache_clear()
    monkeypatch.setattr(indicators, "BAND_STDS", np.nextafter(2.0, 3.0))
    with caplog.at_level(logging.WARNING):
        assert own.kernel() is None
    own.kernel.cache_clear()
    assert "differ from the definition" in caplog.text
