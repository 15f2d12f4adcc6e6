"""Preparing takes no more memory than it promises, however large the input: measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5netcdf
import numpy as np
import pytest

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import SeriesQuery
from datavore_widgets.service.local import LocalService

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the peak of a process"),
]

MOST = 1.5e9
"""Bytes, as it is promised."""

TIMES, NY, NX = 300, 1440, 2880
"""2.5 GB as they are stored: a whole segment, which alone is larger than the promise, and the beginning of one."""

WORKER = """
import json, sys
from pathlib import Path
from datavore_widgets.service.laps.prepare import prepare
[done] = prepare(sys.argv[1], folder=sys.argv[2])
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"built": done.built, "peak": 1024 * int(peak.split()[1])}))
"""


def large(path: Path) -> Path:
    """Two-byte integers, a field at a time."""
    field = np.random.default_rng(3).integers(-3000, 3000, (NY, NX)).astype(np.int16)
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": TIMES, "lat": NY, "lon": NX}
        axes = (
            ("time", np.arange(TIMES) + 0.5, "days since 2000-01-01"),
            ("lat", 90 - (np.arange(NY) + 0.5) * 180 / NY, "degrees_north"),
            ("lon", (np.arange(NX) + 0.5) * 360 / NX, "degrees_east"),
        )
        for name, axis, units in axes:
            file.create_variable(name, (name,), np.float64, data=axis).attrs["units"] = units
        v = file.create_variable("v", ("time", "lat", "lon"), np.int16, chunks=(1, NY, NX))
        v.attrs["scale_factor"] = 0.01
        for step in range(TIMES):
            v[step] = np.roll(field, step, axis=1) + np.int16(step)
    return path


def test_the_peak_stays_below_the_promise(tmp_path: Path) -> None:
    path = large(tmp_path / "v.nc")
    command = [sys.executable, "-c", WORKER, str(path), str(tmp_path / "laps")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["built"] == 2
    assert path.stat().st_size > MOST
    assert told["peak"] < MOST
    with LocalService(path, laps=tmp_path / "laps") as service:
        whole = service.answer(SeriesQuery("v", "v", BBox(-180, -90, 180, 90)))
        assert service.stats.blocks == 0
    # Each field is the one before, turned, and one higher.
    np.testing.assert_allclose(np.diff(whole.values), 0.01, atol=1e-9)
