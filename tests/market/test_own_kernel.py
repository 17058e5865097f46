"""A kernel that differs from the definition is found out when it is loaded; processes that compile at once agree."""

import logging
import os
import subprocess
import sys
from pathlib import Path

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


def test_each_kernel_has_a_file_of_its_own_in_the_cache(tmp_path: Path) -> None:
    """Of two under one name, processes that compile at the same time write one over the other."""
    program = "from components.market import own; assert own.kernel()"
    subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}, check=True, timeout=300
    )
    assert len(list(tmp_path.rglob("*.nbi"))) == len(list(tmp_path.rglob("*.nbc"))) > 1
