"""How long a picture takes: `python -m tests.benchmarks.bench_picture [ROUNDS]` from the root of the repository.

Rows are timed in turn, round by round, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import io
import math
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from datavore_widgets.protocol import png
from datavore_widgets.protocol.colormap import Norm, palette
from datavore_widgets.protocol.geometry import MERCATOR_LIMIT, BBox, latitude_from_mercator
from datavore_widgets.protocol.queries import Canvas, Style
from datavore_widgets.service import resample
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.render import render

WORLD = BBox(-180, -MERCATOR_LIMIT, 180, MERCATOR_LIMIT)
STYLE = Style("thermal", 5.0, 30.0)


def field(rows: int, columns: int) -> tuple[RectilinearGrid, np.ndarray]:
    """A smooth field with waves, a little noise and 30 % of land."""
    lat = 90 - (np.arange(rows) + 0.5) * 180 / rows
    lon = -180 + (np.arange(columns) + 0.5) * 360 / columns
    y, x = np.radians(lat)[:, None], np.radians(lon)
    values = 15 + 12 * np.cos(y) + 3 * np.sin(3 * x) * np.cos(5 * y) + np.sin(40 * x + 9 * y) * np.cos(33 * y)
    values += np.random.default_rng(0).normal(0, 0.02, values.shape)
    values[np.sin(2 * x) + np.cos(3 * y) > 0.62] = np.nan
    return RectilinearGrid.from_centers(lon, lat), values.astype(np.float32)


def pcolormesh(grid: RectilinearGrid, values: np.ndarray) -> Callable[[], bytes] | None:
    """The same picture by matplotlib, None where it is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    inside = np.abs(grid.lat_edges) <= MERCATOR_LIMIT
    rows = slice(int(inside.argmax()), int(inside.size - inside[::-1].argmax() - 1))
    y = np.arcsinh(np.tan(np.radians(grid.lat_edges[rows.start : rows.stop + 1])))
    x = np.radians(grid.lon_edges)

    def draw() -> bytes:
        figure = Figure(figsize=(10.24, 10.24), dpi=100)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(-math.pi, math.pi), ylim=(-math.pi, math.pi))
        axes.pcolormesh(x, y, values[rows], vmin=STYLE.vmin, vmax=STYLE.vmax, cmap="inferno", rasterized=True)
        out = io.BytesIO()
        figure.savefig(out, format="png", transparent=True)
        return out.getvalue()

    return draw


def work() -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    grid, values = field(720, 1440)
    large, many = field(2160, 4320)
    mercator = Canvas(WORLD, 1024, "mercator")
    mixing = Canvas(WORLD, 1024, "mercator", resample=True)
    norm = Norm(5.0, 30.0)
    how = resample.plan(grid, mercator)
    levels = how.nearest(values, norm.indices)
    smooth = resample.plan(grid, mixing)
    blocks = resample.plan(large, mercator)
    colors = palette("thermal")
    latitudes = latitude_from_mercator(np.linspace(-3, 3, 1024))
    rows: dict[str, Callable[[], object]] = {
        "720x1440 nearest, whole": lambda: render(grid, values, mercator, STYLE),
        "  plan, remembered": lambda: resample.plan(grid, mercator),
        "  plan, made anew": lambda: resample._planned(grid, mercator, False),
        "  gather and levels": lambda: how.nearest(values, norm.indices),
        "  levels alone": lambda: norm.indices(values),
        "  PNG": lambda: png.encode(levels, colors),
        "720x1440 bilinear, whole": lambda: render(grid, values, mixing, STYLE),
        "  mixing and levels": lambda: smooth.bilinear(values, norm.indices),
        "2160x4320 block means, whole": lambda: render(large, many, mercator, STYLE),
        "  means": lambda: blocks.means(many),
        "2160x4320 strides, whole": lambda: render(
            large, many, Canvas(WORLD, 1024, "mercator", reduce="stride"), STYLE
        ),
        "720x1440 own size, plate carree": lambda: render(grid, values, Canvas(WORLD), STYLE),
        "noise: one sum over 1024 latitudes": lambda: latitudes.sum(),
    }
    peer = pcolormesh(grid, values)
    if peer is not None:
        rows["matplotlib pcolormesh, 720x1440"] = peer
    return rows


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    rows = work()
    times: dict[str, list[float]] = {name: [] for name in rows}
    for call in rows.values():
        call()
    for _ in range(rounds):
        for name, call in rows.items():
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) * 1e3)
    write = sys.stdout.write
    write(f"{'ms, 1024 x 1024 Web-Mercator PNG':40}{'median':>10}{'minimum':>10}\n")
    for name, found in times.items():
        write(f"{name:40}{statistics.median(found):10.3f}{min(found):10.3f}\n")
    whole = statistics.median(times["720x1440 nearest, whole"])
    peer = times.get("matplotlib pcolormesh, 720x1440")
    if peer:
        write(f"pcolormesh takes {statistics.median(peer) / whole:.0f} times as long as nearest\n")


if __name__ == "__main__":
    main()
