"""How kernels are compiled: no lock held, divisions as numpy's, no fast-math, kept on disk where that is possible."""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import logging
from typing import Final

import numba

log = logging.getLogger(__name__)


def _can_be_cached() -> bool:
    """Return whether numba finds a folder to keep compiled code in: beside this file, or the user's cache folder."""
    try:
        numba.njit(cache=True)(_can_be_cached)
    except RuntimeError as error:
        log.info("kernels are compiled anew in each process", extra={"reason": str(error)[:200]})
        return False
    return True


jit: Final = numba.njit(nogil=True, error_model="numpy", cache=_can_be_cached())
