"""Default colour limits: few reads, whole seasons, and something sensible for every kind of field."""

from __future__ import annotations

from typing import Any

import fields
import numpy as np
import pytest
import xarray as xr

from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.queries import parse_filters
from datavore_widgets.protocol.times import TimeAxis, label_from_millis, parts_from_label
from datavore_widgets.service import limits
from datavore_widgets.service.catalog import open_catalog
from datavore_widgets.service.limits import default_limits, limits_of, sample, sample_steps
from datavore_widgets.service.select import Selection, select


def selection_of(dataset: xr.Dataset, varname: str = "sst", **dims: float) -> Selection:
    return select(open_catalog(dataset), "dataset", varname, parse_filters(dims))


def axis(start: str, count: int, unit: str) -> TimeAxis:
    times = (np.datetime64(start, unit) + np.arange(count)).astype("M8[ms]").astype(np.int64)
    return TimeAxis(label_from_millis(times))


def test_a_small_field_gives_its_own_percentiles() -> None:
    dataset = fields.field(times=12)
    expected = np.nanpercentile(dataset["sst"].values.astype(np.float64), [2, 98])
    assert default_limits(selection_of(dataset)) == pytest.approx(tuple(expected), rel=1e-6)


@pytest.mark.parametrize(
    ("count", "unit"),
    [(1, "M"), (16, "M"), (17, "M"), (24, "M"), (12 * 16 + 1, "M"), (360, "M"), (3650, "D"), (365, "D"), (40, "Y")],
)
def test_sampled_times_are_few_and_span_everything(count: int, unit: str) -> None:
    times = axis("1990-01", count, unit)
    steps = sample_steps(times)
    assert len(steps) == min(count, 16)
    assert steps == sorted(set(steps))
    assert steps == sample_steps(times)
    parts = min(count, 16)
    assert all(count * part // parts <= step < count * (part + 1) // parts for part, step in enumerate(steps))


@pytest.mark.parametrize(("count", "unit"), [(12 * 16 + 1, "M"), (12 * 32, "M"), (3650, "D"), (16 * 365, "D")])
def test_years_of_data_are_sampled_in_every_season(count: int, unit: str) -> None:
    # Every n-th step alone would meet the same month each time.
    times = axis("1990-01", count, unit)
    months = parts_from_label(times.labels[sample_steps(times)])[1]
    seasons = np.bincount((months - 1) // 3, minlength=4)
    assert seasons.min() >= 3


def test_anomalies_are_symmetric_about_zero() -> None:
    low, high = default_limits(selection_of(fields.anomaly()))
    assert low == -high
    values = fields.anomaly()["sst"].values
    assert high == pytest.approx(np.abs(np.nanpercentile(values, [2, 98])).max(), rel=1e-6)


def test_flags_reach_from_the_first_to_the_last() -> None:
    assert default_limits(selection_of(fields.flags(), "mask")) == (1.0, 4.0)


def test_each_depth_has_its_own() -> None:
    shallow = default_limits(selection_of(fields.with_depth(), depth=0.5))
    deep = default_limits(selection_of(fields.with_depth(), depth=100))
    assert np.subtract(shallow, deep) == pytest.approx([2.0, 2.0], abs=1e-5)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([], "continuous", (0.0, 1.0)),
        ([np.inf, -np.inf], "continuous", (0.0, 1.0)),
        ([5.0, 5.0], "continuous", (4.5, 5.5)),
        ([0.0, 0.0], "anomaly", (-1.0, 1.0)),
        ([-3.0, -3.0], "anomaly", (-3.0, 3.0)),
        ([0.0] * 999 + [1.0], "continuous", (0.0, 1.0)),
        ([1e8, 1e8 + 1e-7], "continuous", (9e7, 1.1e8)),
        ([1.0, 7.0] * 3, "flags", (1.0, 7.0)),
        ([0.0, np.inf, 10.0], "continuous", (0.2, 9.8)),
    ],
)
def test_odd_values(values: list[float], kind: str, expected: tuple[float, float]) -> None:
    low, high = limits_of(np.array(values), VariableInfo("x", kind=kind))
    assert low < high
    assert (low, high) == pytest.approx(expected, rel=1e-6)


def test_directions_are_a_whole_turn() -> None:
    dataset = fields.field(attrs={"standard_name": "wind_from_direction", "units": "degree"})
    selection = selection_of(dataset)
    assert selection.variable.info.kind == "direction"
    assert default_limits(selection) == (0.0, 360.0)


def test_all_missing_is_no_error() -> None:
    dataset = fields.field()
    assert default_limits(selection_of(dataset.assign(sst=dataset["sst"] * np.nan))) == (0.0, 1.0)


class Counted:
    """Counts the bytes that a variable is asked for."""

    def __init__(self, selection: Selection, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[Any] = []
        self.cells = 0
        read = type(selection.variable).read

        def counted(variable: Any, steps: Any, at: Any, rows: slice, columns: Any, job: Any = None) -> Any:
            values = read(variable, steps, at, rows, columns, job)
            self.steps.append(steps)
            self.cells += values.size
            return values

        monkeypatch.setattr(type(selection.variable), "read", counted)


def test_a_sample_reads_few_times_and_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    selection = selection_of(fields.field(np.arange(0, 360, 0.5), np.arange(-89.75, 90, 0.5), times=40))
    counted = Counted(selection, monkeypatch)
    found = sample(selection)
    assert len(set(counted.steps)) == 16
    assert counted.cells <= limits.CELLS
    # Not needlessly few either: a quarter is a hole at most.
    assert found.size > limits.CELLS * 0.6
    assert np.array_equal(found, sample(selection))


def test_a_large_field_is_read_in_bands_from_pole_to_pole(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = fields.field(np.arange(0, 360, 1.0), np.arange(-89.5, 90, 1.0), times=20, hole=False)
    exact = default_limits(selection_of(dataset))
    monkeypatch.setattr(limits, "_MOST_BYTES", 16 * 360 * 4 * 40)
    touched: list[slice] = []
    selection = selection_of(dataset)
    read = type(selection.variable).read

    def noted(variable: Any, steps: Any, at: Any, rows: slice, columns: Any, job: Any = None) -> Any:
        touched.append(rows)
        return read(variable, steps, at, rows, columns, job)

    monkeypatch.setattr(type(selection.variable), "read", noted)
    low, high = default_limits(selection)
    rows = {(band.start, band.stop) for band in touched}
    assert sum(stop - start for start, stop in rows) <= 40
    assert min(rows)[0] == 0
    assert max(rows)[1] == 180
    assert (low, high) == pytest.approx(exact, abs=0.1 * (exact[1] - exact[0]))


def test_samples_of_bad_quality_set_no_colours() -> None:
    dataset = fields.field(times=1)
    sst = dataset["sst"].values.copy()
    quality = np.full(sst.shape, 5, dtype=np.int8)
    sst[..., ::3], quality[..., ::3] = 400.0, 1
    dataset = dataset.assign(
        sst=dataset["sst"].copy(data=sst).assign_attrs(standard_name="sea_surface_temperature"),
        quality_level=(dataset["sst"].dims, quality),
    ).assign_attrs(gds_version_id="2.0", processing_level="L3C")
    expected = tuple(np.nanpercentile(np.where(quality >= 4, sst, np.nan).astype(np.float64), [2, 98]))
    assert default_limits(selection_of(dataset)) == pytest.approx(expected, rel=1e-6)
    # Whatever is asked, the colours are the same; and where nothing is good, all there is sets them.
    assert default_limits(selection_of(dataset, quality_level=1)) == pytest.approx(expected, rel=1e-6)
    bad = dataset.assign(quality_level=dataset["quality_level"] * 0)
    assert default_limits(selection_of(bad))[1] == pytest.approx(400.0)


@pytest.mark.parametrize(
    ("name", "values", "limits"),
    [
        ("bathymetry", [-6000.0, 2000.0], (-5840.0, 5840.0)),
        ("eastward_wind", [-4.0, 8.0], (-7.76, 7.76)),
        ("bathymetry", [10.0, 60.0], (11.0, 59.0)),
        ("sea_surface_temperature", [-2.0, 30.0], (-1.36, 29.36)),
    ],
)
def test_zero_is_in_the_middle_of_colours_that_part_there(
    name: str, values: list[float], limits: tuple[float, float]
) -> None:
    assert limits_of(np.array(values), VariableInfo(name, standard_name=name)) == pytest.approx(limits)
