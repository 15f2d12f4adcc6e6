"""The real files that several tests read, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""A folder of real data files, read-only; tests on them are left out where it is not there."""


@dataclass(frozen=True)
class RealFile:
    """A file of one variable, with the names of its coordinates and a month that it has."""

    name: str
    varname: str
    lon: str
    lat: str
    month: str

    @property
    def path(self) -> Path:
        return SHARED_DATA / self.name


OSTIA = RealFile("ostia_monthly.nc", "surface_temperature", "longitude", "latitude", "200701")
TAS = RealFile("tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc", "tas", "lon", "lat", "200701")
