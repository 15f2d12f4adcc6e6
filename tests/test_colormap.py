from __future__ import annotations

import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.colormap import (
    GROUPS,
    LEVELS,
    Categories,
    Norm,
    check_name,
    colormap,
    default_cmap,
    names,
    palette,
    scale,
)

DOCUMENTED = ["jet", "bwr", "viridis", "inferno", "plasma", "magma", "Blues", "bone", "cool", "autumn", "s3pcpn"]
CMOCEAN = {
    *("thermal", "haline", "solar", "ice", "gray", "oxy", "deep", "dense", "algae", "matter", "turbid", "speed"),
    *("amp", "tempo", "rain", "phase", "topo", "balance", "delta", "curl", "diff", "tarn"),
}
ROOT = str(Path(__file__).resolve().parents[1])
# Listed colours are spread by another rounding, and matplotlib's twilight has 510 of them.
OWN_ROUNDING = {"twilight", "twilight_shifted", *GROUPS["qualitative"]}


def test_every_documented_and_every_cmocean_map_is_there_with_its_reversed_twin():
    assert set(DOCUMENTED) | CMOCEAN <= set(names())
    assert len(names()) == len(set(names())) == 2 * sum(len(group) for group in GROUPS.values())
    for name in names():
        table = colormap(name)
        assert table.shape == (256, 3)
        assert table.dtype == np.uint8
        assert not table.flags.writeable
        twin = name.removesuffix("_r") if name.endswith("_r") else f"{name}_r"
        np.testing.assert_array_equal(table[::-1], colormap(twin))


def test_tables_are_those_of_matplotlib():
    shared = [name for name in names() if name in mpl.colormaps and name not in OWN_ROUNDING]
    shared = [name for name in shared if name.removesuffix("_r") not in OWN_ROUNDING]
    assert len(shared) > 80
    for name in shared:
        theirs = mpl.colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255
        assert np.abs(theirs - colormap(name)).max() <= 0.51, name


def test_cmocean_is_cmocean_and_not_a_namesake():
    assert colormap("thermal")[0].tolist() == [4, 35, 51]
    assert colormap("thermal")[-1].tolist() == [232, 250, 91]
    assert colormap("ice")[0].tolist() == [4, 6, 19]


def test_qualitative_colours_have_equal_parts_of_the_table():
    for name in GROUPS["qualitative"]:
        colors, sizes = np.unique(colormap(name), axis=0, return_counts=True)
        assert len(colors) <= 20
        assert np.ptp(sizes) <= 1 + (name == "tab20") * 13, name


def test_s3pcpn_goes_from_nearly_white_through_the_rainbow():
    table = colormap("s3pcpn").astype(int)
    assert table[0].min() > 240
    assert table[110].argmax() == 1 or table[130].argmax() == 1
    red, blue = table[:, 0], table[:, 2]
    assert blue[80] > red[80] + 100
    assert red[220] > blue[220] + 100
    # No jump that would look like a front.
    assert np.abs(np.diff(table, axis=0)).max() < 20


@pytest.mark.parametrize(("given", "nearest"), [("viridi", "viridis"), ("blues", "Blues"), ("cmo.thermal", "thermal")])
def test_an_unknown_name_is_refused_with_the_nearest(given, nearest):
    with pytest.raises(InvalidValue, match=nearest) as caught:
        colormap(given)
    assert nearest in caught.value.suggestions
    with pytest.raises(InvalidValue):
        check_name(given)
    assert check_name(nearest) == nearest


def test_names_are_told_without_loading_the_tables():
    code = (
        "import sys; from datavore_widgets.protocol import colormap as c; c.names(); c.check_name('thermal_r');"
        "assert not {'cmap', 'matplotlib', 'xarray', 'ipywidgets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


ASKED = "import sys; from datavore_widgets.protocol.colormap import colormap; print(colormap('thermal').sum());"


def asked(cache, *before):
    """The sum of a table, and whether the library was loaded for it, in a process of its own."""
    code = f"{ASKED} print('cmap' in sys.modules)"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": os.pathsep.join([*map(str, before), ROOT])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    total, loaded = done.stdout.split()
    return int(total), loaded == "True"


def test_a_table_that_was_asked_for_once_loads_no_library(tmp_path):
    total = int(colormap("thermal").sum())
    assert asked(tmp_path) == (total, True)
    assert asked(tmp_path) == (total, False)
    (kept,) = (tmp_path / "datavore_widgets/colours").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert asked(tmp_path) == (total, True), "half a table is none"
    assert asked(tmp_path) == (total, False)
    (tmp_path / "file").write_text("no folder")
    assert asked(tmp_path / "file") == (total, True), "where nothing can be kept"


LIBRARY = """
import numpy

class Colormap:
    def __init__(self, name):
        pass

    def lut(self, n):
        return numpy.full((n, 4), {level})
"""


def test_another_library_has_tables_of_its_own(tmp_path):
    library = tmp_path / "cmap.py"
    for level in (1.0, 0.0):
        library.write_text(LIBRARY.format(level=level))
        assert asked(tmp_path, tmp_path) == (255 * 256 * 3 * level, True)
        assert asked(tmp_path, tmp_path) == (255 * 256 * 3 * level, False)


def test_a_library_in_an_archive_is_asked_each_time(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("cmap.py", LIBRARY.format(level=1.0))
    for _ in range(2):
        assert asked(tmp_path, tmp_path / "all.zip") == (255 * 256 * 3, True)


finite = st.floats(-1e6, 1e6, allow_nan=False)


@settings(derandomize=True, deadline=None)
@given(vmin=finite, span=st.floats(1e-3, 1e6), levels=st.integers(1, LEVELS), part=st.floats(-0.5, 1.5))
def test_a_value_has_the_level_of_the_formula(vmin, span, levels, part):
    norm = Norm(vmin, vmin + span, levels)
    width = (norm.vmax - norm.vmin) / levels
    value = vmin + part * span
    exact = (value - vmin) / width
    level = int(norm.indices(np.array([value]))[0]) - 1
    expected = min(max(math.floor(exact), 0), levels - 1)
    assert level == expected or abs(exact - round(exact)) < 1e-6
    # What the colour bar shows at that level is where the value is.
    if 0 <= part < 1:
        assert norm.edges[level] - 1e-6 * width - 1e-9 <= value <= norm.edges[level + 1] + 1e-6 * width + 1e-9


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_limits_ends_and_beyond(kind):
    norm = Norm(5.0, 30.0)
    values = np.array([5.0, 30.0, 4.9, 31.0, -np.inf, np.inf, np.nan, -1e38, 1e38], dtype=kind)
    assert norm.indices(values).tolist() == [1, 255, 1, 255, 1, 255, 0, 1, 255]
    assert norm.edges[0] == 5.0
    assert norm.edges[-1] == 30.0
    np.testing.assert_array_equal(norm.indices(norm.centers), np.arange(1, 256))


@pytest.mark.parametrize(("vmin", "vmax"), [(271.15, 303.15), (-0.5, 0.5), (100_000.0, 104_000.0), (0, 1e-7)])
def test_single_precision_gives_the_same_levels_up_to_a_sixteenth(vmin, vmax):
    norm = Norm(vmin, vmax)
    values = np.random.default_rng(1).uniform(vmin - (vmax - vmin) / 5, vmax, 200_000).astype(np.float32)
    single, double = norm.indices(values), norm.indices(values.astype(np.float64))
    differ = single != double
    exact = (values[differ].astype(np.float64) - vmin) / (vmax - vmin) * norm.levels
    assert (np.abs(exact - np.rint(exact)) < 1 / 16).all()
    assert (np.abs(single.astype(int) - double.astype(int)) <= 1).all()


def test_narrow_limits_on_large_values_are_reckoned_in_double_precision():
    # float32 cannot tell 1e5 from 1e5 + 0.003: only its own rounding may show, none of ours.
    norm = Norm(100_000.0, 100_001.0)
    values = np.linspace(99_999.9, 100_001.1, 5000).astype(np.float32)
    np.testing.assert_array_equal(norm.indices(values), norm.indices(values.astype(np.float64)))


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float16])
def test_integers_and_masks(kind):
    values = np.ma.masked_array(np.array([0, 1, 1, 0], dtype=kind), mask=[False, False, True, False])
    assert Norm(0, 1).indices(values).tolist() == [1, 255, 0, 1]
    assert Categories((0, 1)).indices(values).tolist() == [1, 2, 0, 1]


def test_a_norm_keeps_the_shape_and_takes_any_layout():
    values = np.random.default_rng(2).uniform(0, 1, (70, 1100, 3)).astype(np.float32)
    norm = Norm(0, 1)
    whole = norm.indices(values)
    assert whole.shape == values.shape
    np.testing.assert_array_equal(norm.indices(values[::-2, ::3].T), whole[::-2, ::3].T)
    assert norm.indices(np.zeros((0, 4))).shape == (0, 4)
    assert norm.indices(np.float64(0.5)).shape == ()


@pytest.mark.parametrize(
    ("vmin", "vmax"),
    [(1, 1), (2, 1), (math.nan, 1), (0, math.inf), (-1.7e308, 1.7e308), (1.0, 1.0 + 1e-15), (0, 5e-324)],
)
def test_limits_without_levels_between_them_are_refused(vmin, vmax):
    with pytest.raises(InvalidValue, match=r"vmin|limits"):
        Norm(vmin, vmax)


def test_categories():
    flags = Categories((1, 2, 4, 128))
    assert flags.levels == 4
    values = np.array([[1.0, 2, 4], [128, 3, np.nan]])
    assert flags.indices(values).tolist() == [[1, 2, 3], [4, 0, 0]]
    assert flags.indices(np.array([200, -1, 127], dtype=np.int16)).tolist() == [0, 0, 0]
    for wrong in [(), (2, 1), (1, 1), tuple(range(255))]:
        with pytest.raises(InvalidValue):
            Categories(wrong)


def test_the_scale_of_a_kind():
    assert scale("flags", 0, 9, [4, 1, 4]) == Categories((1, 4))
    assert scale("flags", 0, 300, range(255)) == Norm(0, 300)
    assert scale("flags", 0, 9) == Norm(0, 9)
    assert scale("continuous", 0, 9, [1, 4]) == Norm(0, 9)


def test_a_palette_runs_along_the_table_behind_a_transparent_colour():
    # Entry i of the table of gray is the colour (i, i, i).
    for levels in (1, 2, 10, 254, 255):
        colors = palette("gray", levels)
        assert colors.shape == (levels + 1, 4)
        assert colors[0].tolist() == [0, 0, 0, 0]
        assert (colors[1:, 3] == 255).all()
        middles = (np.arange(levels) + 0.5) / levels * 256
        np.testing.assert_array_equal(colors[1:, 0], np.floor(middles))
        assert (np.diff(colors[1:, 0].astype(int)) > 0).all()
    assert len(np.unique(palette("tab10", 10)[1:], axis=0)) == 10


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (VariableInfo("tos", standard_name="sea_surface_temperature"), "thermal"),
        (VariableInfo("analysed_sst"), "thermal"),
        (VariableInfo("x", units="kelvin"), "thermal"),
        (VariableInfo("PSAL"), "haline"),
        (VariableInfo("so", standard_name="sea_water_salinity"), "haline"),
        (VariableInfo("sst_anom", kind="anomaly"), "balance"),
        (VariableInfo("sst_anomaly"), "balance"),
        (VariableInfo("sla", standard_name="sea_surface_height_above_sea_level"), "balance"),
        (VariableInfo("uo", standard_name="eastward_sea_water_velocity"), "balance"),
        (VariableInfo("v", long_name="V component of wind"), "balance"),
        (VariableInfo("CHL", standard_name="mass_concentration_of_chlorophyll_a_in_sea_water"), "algae"),
        (VariableInfo("siconc", standard_name="sea_ice_area_fraction"), "ice"),
        (VariableInfo("wind_speed", standard_name="wind_speed"), "speed"),
        (VariableInfo("hs", standard_name="sea_surface_wave_significant_height"), "amp"),
        (VariableInfo("mwd", kind="direction"), "phase"),
        (VariableInfo("dir", long_name="wind from direction"), "phase"),
        (VariableInfo("mlotst", standard_name="ocean_mixed_layer_thickness"), "deep"),
        (VariableInfo("elevation", long_name="bathymetry"), "topo"),
        (VariableInfo("pr", long_name="Precipitation"), "rain"),
        (VariableInfo("o2"), "oxy"),
        (VariableInfo("quality", kind="flags", flags={0: "bad", 1: "good"}), "tab10"),
        (VariableInfo("mystery", units="m"), "viridis"),
        (VariableInfo("notice", long_name="price of solo voyages"), "viridis"),
        (VariableInfo("tos", standard_name="sea_surface_temperature", cmap="jet"), "jet"),
    ],
    ids=lambda value: value.name if isinstance(value, VariableInfo) else value,
)
def test_the_colour_map_that_suits_a_variable(info, expected):
    assert default_cmap(info) == expected
    check_name(expected)
