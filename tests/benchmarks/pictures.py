"""Pictures of 1024 by 1024 pixels in Web-Mercator, beside those who draw them too."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from datavore_widgets.protocol import png
from datavore_widgets.protocol.colormap import Norm, palette
from datavore_widgets.protocol.geometry import MERCATOR_LIMIT, BBox
from datavore_widgets.protocol.queries import Canvas, MapQuery, Source, Style
from datavore_widgets.protocol.times import Date
from datavore_widgets.service import compiled, pixels, resample
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.render import render
from tests.benchmarks.data import field, make_huge, make_steps
from tests.benchmarks.peers import Missing, PeerProcess, drawing
from tests.benchmarks.table import Run, interleaved, say, timed

__all__ = ["pictures", "stages", "warm"]

WORLD = BBox(-180, -MERCATOR_LIMIT, 180, MERCATOR_LIMIT)
STYLE = Style("inferno", 5.0, 30.0)
MERCATOR = Canvas(WORLD, 1024, "mercator")
STRIDES = Canvas(WORLD, 1024, "mercator", reduce="stride")

IN_MEMORY = {"datashader": 20, "rio-tiler": 25, "xpublish-tiles": 25, "titiler-xarray": 30, "matplotlib pcolormesh": 75}
FROM_DISK = {"unprepared": 10, "prepared": 25}
LARGE = {"datashader": 40, "rio-tiler": 40}
TIMES = 40


def pictures(run: Run) -> None:
    """A field in memory, from Zarr on disk, and a large one, of a service that is warm."""
    warm("f4")
    small, big = ((90, 180), (270, 540)) if run.quick else ((720, 1440), (2160, 4320))
    grid, values = field(*small)
    large, many = field(*big)
    np.save(run.folder / "field.npy", values)
    np.save(run.folder / "large.npy", many)
    make_steps(run.folder / "steps.zarr", values, TIMES)
    with drawing(run) as peers:
        mine = render(grid, values, MERCATOR, STYLE).png
        alike = {name: peer for name, peer in peers.items() if _draws_alike(run, peer, mine)}
        _in_memory(run, grid, values, alike)
        _large(run, large, many, alike)
        _from_disk(run, alike)
    _huge(run)


def warm(*kinds: str) -> None:
    """Have the loops for cells of some types compiled, as a service has them soon after its first pictures."""
    without = [kind for kind in kinds if compiled.wait(pixels.KERNELS, kind) is None]
    say(
        f"  without numba: numpy draws {', '.join(without)}"
        if without
        else "  loops are compiled before they are timed"
    )


def _draws_alike(run: Run, peer: PeerProcess, mine: bytes) -> bool:
    """Whether a peer's pictures have the same size and about as much sea in them; and it is warm afterwards."""
    file = run.folder / "peer.png"
    try:
        for what in ("large", "zarr", "memory"):
            peer.draw(what, 0, file)
    except Missing as error:
        run.left_out.append(str(error))
        say(f"  {error}")
        return False
    theirs, ours = _opaque(file.read_bytes()), _opaque(mine)
    if theirs.shape != ours.shape or abs(theirs.mean() - ours.mean()) > 0.03:
        run.left_out.append(f"{peer.name} draws another picture: {theirs.shape}, {theirs.mean():.2f} of it opaque")
        return False
    return True


def _opaque(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGBA"))[..., 3] > 0


def _in_memory(run: Run, grid: RectilinearGrid, values: np.ndarray, peers: dict[str, PeerProcess]) -> None:
    ways: dict[str, Callable[[int], float]] = {"ours": lambda _: timed(lambda: render(grid, values, MERCATOR, STYLE))}
    for name, peer in peers.items():
        ways[name] = lambda step, peer=peer: peer.draw("memory", step)
    if (draw := pcolormesh(grid, values)) is not None:
        ways["matplotlib pcolormesh"] = lambda _: timed(draw)
    else:
        run.left_out.append("matplotlib is not installed here")
    shape = "×".join(map(str, values.shape))
    run.beside(f"{shape} in memory → 1024² Mercator PNG", "ours", interleaved(ways, run.rounds), IN_MEMORY)


def _large(run: Run, grid: RectilinearGrid, values: np.ndarray, peers: dict[str, PeerProcess]) -> None:
    """Means of all cells beside the one who averages too, the nearest cell beside the one who takes it too."""
    shape = "×".join(map(str, values.shape))
    for kind, canvas, name in (("means", MERCATOR, "datashader"), ("nearest", STRIDES, "rio-tiler")):
        ways: dict[str, Callable[[int], float]] = {
            "ours": lambda _, canvas=canvas: timed(lambda: render(grid, values, canvas, STYLE))
        }
        if name in peers:
            ways[name] = lambda step, name=name: peers[name].draw("large", step)
        run.beside(f"{shape} in memory → 1024², {kind}", "ours", interleaved(ways, run.rounds), LARGE)


def _from_disk(run: Run, peers: dict[str, PeerProcess]) -> None:
    """Another date each time, so that nobody remembers it."""
    store = run.folder / "steps.zarr"
    prepare(store, folder=run.folder / "laps", fields=True)
    with LocalService(store, laps=run.folder / "none") as plain, LocalService(store, laps=run.folder / "laps") as ready:

        def asked(service: LocalService) -> Callable[[int], float]:
            return lambda step: timed(lambda: service.answer(_query(step)))

        peers = {name: peer for name, peer in peers.items() if name in ("xpublish-tiles", "titiler-xarray")}
        ways = {"unprepared": asked(plain), "prepared": asked(ready)}
        ways |= {name: lambda step, peer=peer: peer.draw("zarr", step) for name, peer in peers.items()}
        found = interleaved(ways, min(run.rounds, TIMES - 1))
        for kind, least in FROM_DISK.items():
            beside = {kind: found[kind]} | {name: found[name] for name in peers}
            run.beside(f"the same from Zarr on disk, {kind}", kind, beside, dict.fromkeys(peers, least))
        before = ready.stats.bytes
        ready.answer(_query(0, Style("viridis", 0.0, 20.0)))
        run.counts["bytes read for a new colour map"] = ready.stats.bytes - before


def _huge(run: Run) -> None:
    """The whole of a field far larger than a picture, and a part of it as large as one: cost follows the pixels."""
    ny, nx = (2000, 4000) if run.quick else (10_000, 20_000)
    make_huge(run.folder / "huge.nc", ny, nx)
    prepare(run.folder / "huge.nc", folder=run.folder / "huge", fields=True)
    part = BBox(10.0, 10.0, 10.0 + 1024 * 360 / nx, 10.0 + 1024 * 180 / ny) if not run.quick else BBox(0, 0, 45, 45)
    with LocalService(run.folder / "huge.nc", laps=run.folder / "huge") as service:
        for name, box in (("the whole", WORLD), ("a part of 1024²", part)):
            canvas = Canvas(box, 256 if run.quick else 1024, "mercator", reduce="stride")

            def asked(_: int, canvas: Canvas = canvas) -> float:
                service.close()  # it remembers nothing; the system's own memory of the file stays
                return timed(
                    lambda: service.answer(MapQuery(Source("huge", "sst", Date.parse("2000-01-01")), canvas, STYLE))
                )

            run.alone({f"{name} of {ny}×{nx} on disk, prepared → {canvas.resolution}²": [asked(0), asked(1), asked(2)]})
            before = service.stats.bytes
            asked(0)
            run.counts[f"bytes decoded for {name}"] = service.stats.bytes - before


def _query(step: int, style: Style = STYLE) -> MapQuery:
    day = str(np.datetime64("2000-01-01") + step)
    return MapQuery(Source("steps", "sst", Date.parse(day)), MERCATOR, style)


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


def stages(run: Run) -> None:
    """Where the time of a picture goes: nobody beside us."""
    warm("f4")
    small, big = ((90, 180), (270, 540)) if run.quick else ((720, 1440), (2160, 4320))
    grid, values = field(*small)
    large, many = field(*big)
    mixing = Canvas(WORLD, 1024, "mercator", resample=True)
    norm = Norm(5.0, 30.0)
    how, smooth, blocks = (
        resample.plan(of, canvas) for of, canvas in ((grid, MERCATOR), (grid, mixing), (large, MERCATOR))
    )
    levels = how.nearest(values, norm.indices)
    calls: dict[str, Callable[[], object]] = {
        "nearest, whole picture": lambda: render(grid, values, MERCATOR, STYLE),
        "… its plan, remembered": lambda: resample.plan(grid, MERCATOR),
        "… its plan, made anew": lambda: resample._planned(grid, MERCATOR, False),
        "… gather and levels": lambda: how.nearest(values, norm.indices),
        "… levels alone": lambda: norm.indices(values),
        "… PNG": lambda: png.encode(levels, palette("inferno")),
        "bilinear, whole picture": lambda: render(grid, values, mixing, STYLE),
        "… mixing and levels": lambda: smooth.bilinear(values, norm.indices),
        "large, means, whole picture": lambda: render(large, many, MERCATOR, STYLE),
        "… means": lambda: blocks.means(many),
        "large, strides, whole picture": lambda: render(large, many, STRIDES, STYLE),
        "own size, plate carree": lambda: render(grid, values, Canvas(WORLD), STYLE),
    }
    run.alone(interleaved({name: lambda _, call=call: timed(call) for name, call in calls.items()}, run.rounds))
