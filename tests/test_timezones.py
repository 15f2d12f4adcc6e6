"""The same series whatever the time zone of the machine: in Python, in pandas and in exports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys, time
from datavore_widgets import Datalaps
from datavore_widgets.client import export
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import SeriesQuery
time.tzset()
laps = Datalaps(sys.argv[1])
(index,) = laps.getIndexes()
for groupby in (None, "yyyy-MM-dd", "yyyy-MM", "yyyy"):
    box = [-180, -90, 180, 90]
    print(laps.getTimeserieRaw(index, sys.argv[2], box, "1860,2100", groupby=groupby)[:40])
    table = laps.getTimeserie(index, sys.argv[2], box, "1860,2100", groupby=groupby)
    print([str(time) for time in table.index[:40]], table.iloc[:40, 0].tolist())
    query = SeriesQuery(index, sys.argv[2], BBox(*box), groupby=groupby)
    print(export.to_csv(query, laps.answer(query))[:2000])
    data = export.exported(laps.service, query)
    print(data["time"].values[:40])
print(laps.getData(index, sys.argv[2], ["1860", "2100"], [10, 0]).index[:40].astype(str).tolist())
print("offset", time.timezone, file=sys.stderr)
"""

ZONES = {"UTC": 0, "America/Los_Angeles": 28800, "Asia/Tokyo": -32400}
FILES = {"ostia_monthly.nc": "surface_temperature", "tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc": "tas"}


def told(path: Path, varname: str, zone: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path), varname],
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert f"offset {ZONES[zone]}" in done.stderr  # the zone is known to this machine
    return done.stdout


@pytest.mark.parametrize("name", FILES)
def test_series_are_the_same_in_every_zone(name: str, shared_data: Path) -> None:
    there = {zone: told(shared_data / name, FILES[name], zone) for zone in ZONES}
    assert len(there["UTC"]) > 4000
    assert len(set(there.values())) == 1
