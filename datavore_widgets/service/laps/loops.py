"""The compiled loops over prepared data, where there are any."""

from __future__ import annotations

import sys
from types import ModuleType

from datavore_widgets.service.compiled import kernels
from datavore_widgets.service.laps.codes import Codes

__all__ = ["KERNELS", "loops_for"]

KERNELS = "datavore_widgets.service.laps.kernels"
"""Their module, which is loaded after the first work that would gain."""


def loops_for(codes: Codes, *, soon: bool = False) -> ModuleType | None:
    """The loops for some codes, once they are compiled; `soon` has them compiled at once."""
    # Files are little-endian, and the loops go over them as they are.
    return kernels(KERNELS, codes.dtype.str[1:], soon=soon) if sys.byteorder == "little" else None
