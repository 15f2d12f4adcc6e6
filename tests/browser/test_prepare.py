"""A long series says what it reads and grows; the button prepares, and the next answer says that it came from there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import h5netcdf
import numpy as np
import pytest
from playwright.sync_api import Page, expect

TIMES, NY, NX = 500, 360, 720


@pytest.fixture(scope="session")
def daily(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year and a half of a global half a degree, a day a chunk, which takes seconds to unpack."""
    path = tmp_path_factory.mktemp("daily") / "sst.nc"
    lat, lon = 90 - (np.arange(NY) + 0.5) * 180 / NY, (np.arange(NX) + 0.5) * 360 / NX - 180
    noise = np.random.default_rng(5).normal(0, 40, (NY, NX))
    field = 2800 * np.cos(np.radians(lat))[:, None] ** 2 + 200 * np.sin(np.radians(3 * lon)) + noise
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": TIMES, "lat": NY, "lon": NX}
        axes = (
            ("time", np.arange(TIMES) + 0.5, "days since 2012-01-01"),
            ("lat", lat, "degrees_north"),
            ("lon", lon, "degrees_east"),
        )
        for name, axis, units in axes:
            file.create_variable(name, (name,), np.float64, data=axis).attrs["units"] = units
        sst = file.create_variable(
            *("sst", ("time", "lat", "lon"), np.int16),
            fillvalue=np.int16(-32768),
            chunks=(1, NY, NX),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        sst.attrs.update({"scale_factor": 0.01, "units": "degree_Celsius", "long_name": "Sea surface temperature"})
        for step in range(TIMES):
            sst[step] = (field + 300 * np.sin(2 * np.pi * step / 365)).astype(np.int16)
    return path


def test_a_long_series_grows_and_prepared_it_is_there_at_once(
    page: Page, start_explorer: Callable[..., str], screenshot: Callable[[str], Path], daily: Path
) -> None:
    page.goto(start_explorer(daily) + "?bbox=-170,-80,170,80")
    expect(page.locator(".leaflet-image-layer").first).to_be_visible(timeout=60_000)
    legend = page.locator(".dv-legend")
    expect(legend).to_contain_text("500 values", timeout=60_000)
    # Another statistic of the box is read anew: what is read is told, and the part that is there is drawn.
    page.locator(".dv-aggregate select").select_option(label="Maximum")
    expect(page.get_by_text(re.compile(r"Reads \S+ GB in 500 chunks"))).to_be_visible(timeout=30_000)
    expect(legend).to_contain_text("incomplete: more is being read", timeout=30_000)
    screenshot("reading")
    expect(legend).not_to_contain_text("incomplete", timeout=60_000)
    expect(legend).to_contain_text("500 values")
    expect(legend).not_to_contain_text("prepared data")
    expect(page.get_by_text("Not prepared: reads")).to_be_visible()
    screenshot("read")
    page.get_by_role("button", name="Prepare", exact=True).click()
    expect(page.get_by_text(re.compile(r"Preparing: \d+ of 500 times"))).to_be_visible(timeout=30_000)
    screenshot("preparing")
    expect(page.get_by_text("Boxes are answered from prepared data")).to_be_visible(timeout=120_000)
    expect(legend).to_contain_text("from prepared data", timeout=30_000)
    screenshot("prepared")
