"""Names of the files of Sentinel-1's wave mode, by which they are told without being opened."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["MEASUREMENT", "ROUGHNESS", "is_roughness", "named_as_measurement"]

MEASUREMENT = re.compile(r"(s1[a-z])-(wv[12])-ocn-\w\w-(\d{8}t\d{6})-\d{8}t\d{6}-\d+-[0-9a-f]+-\d+\.nc", re.IGNORECASE)
"""A measurement: satellite, mode, time of its start."""

ROUGHNESS = "-roughness"
"""What the name of the surface beside a measurement has more, before its suffix."""


def named_as_measurement(name: str) -> bool:
    """Whether a file is named as a measurement of the wave mode is.

    Examples
    --------
    >>> named_as_measurement("s1a-wv1-ocn-vv-20151130t175854-20151130t175857-008837-00c9eb-087.nc")
    True
    """
    return MEASUREMENT.fullmatch(name) is not None


def is_roughness(path: Path) -> bool:
    """Whether a file is named as the surface of a measurement is."""
    return path.stem.endswith(ROUGHNESS) and named_as_measurement(path.stem.removesuffix(ROUGHNESS) + path.suffix)
