"""A series of swaths in the app: a window of time that moves on is chosen by hand, and named beside the series."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import fields
import numpy as np
import pytest
from desk import ExplorerDesk
from playwright.sync_api import Page, expect


@pytest.mark.parametrize(("viewport", "theme"), [((1280, 800), "light"), ((1920, 1080), "dark")])
def test_a_running_mean_of_swaths(
    page: Page, start_explorer: Callable[..., str], screenshot: Callable[[str], Path], tmp_path: Path, theme: str
) -> None:
    folder = tmp_path / "swaths"
    folder.mkdir()
    for number in range(10):
        granule = fields.swath()
        granule["sst"] = granule["sst"] + number % 3
        granule["time"] = ("time", [number * 7200.0], granule["time"].attrs)
        granule.to_netcdf(folder / f"{number}.nc")
    page.goto(start_explorer(folder) + f"?bbox=169,-6,176,2&theme={theme}")
    desk = ExplorerDesk(page)
    desk.wait()
    expect(desk.legend).to_contain_text("every time, 10 values")
    before = desk.csv(tmp_path)[2]
    page.locator(".dv-groupby select").select_option(label="Running over 12 hours")
    expect(desk.legend).to_contain_text("running over 12 hours, 10 values")
    expect(page.get_by_role("button", name="Trend")).to_be_disabled()
    _, times, after = desk.csv(tmp_path)
    # Six granules, two hours apart, in each; the counts of all are alike.
    assert after == pytest.approx([np.mean(before[max(0, i - 5) : i + 1]) for i in range(10)])
    assert times.size == 10
    rows = list(csv.DictReader((tmp_path / "series.csv").read_text().splitlines()))
    assert {row["window_s"] for row in rows} == {"43200.0"}
    screenshot("running")
    page.locator(".dv-groupby select").select_option(label="Daily series")
    expect(desk.legend).to_contain_text("daily series, 2 values")
