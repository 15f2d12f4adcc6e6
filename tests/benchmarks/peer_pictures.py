"""One peer that draws pictures, in a process and an environment of its own; nothing of ours is imported here.

    python peer_pictures.py NAME FOLDER            # waits for work on standard input, a line of JSON each
    python peer_pictures.py NAME FOLDER --once     # the first picture of a cold process, to standard output

FOLDER holds `field.npy` and `large.npy` (north first, whole globe; not needed for `--once`), and `steps.zarr` (the
variable `sst` over time). Work is `{"do": "memory" | "large" | "zarr", "step": n}`, and the answer
`{"ms": …, "bytes": …}`, timed here, so that talking costs nobody anything; with `"file"` the picture is kept there.
Every peer is used as its own documentation does, and what it may know beforehand (an open data set, projected
coordinates, a colour table) is not timed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 1024
LOW, HIGH = 5.0, 30.0
LIMIT = 85.05112877980659
"""Degrees to which Web-Mercator reaches."""
EDGE = 20037508.342789244
"""Metres to the same edge."""

Draw = Callable[[str, int], bytes]


def axes(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes from the north and longitudes of the centres."""
    ny, nx = shape
    return 90 - (np.arange(ny) + 0.5) * 180 / ny, -180 + (np.arange(nx) + 0.5) * 360 / nx


def in_memory(folder: Path) -> dict[str, Any]:
    """The fields as arrays of xarray, with the coordinates that geospatial libraries want."""
    import xarray as xr

    found = {}
    for name, file in (("memory", "field.npy"), ("large", "large.npy")):
        if not (folder / file).exists():
            continue
        values = np.load(folder / file)
        lat, lon = axes(values.shape)
        found[name] = xr.DataArray(values, {"y": lat, "x": lon}, ("y", "x"), name="sst")
    return found


def datashader(folder: Path) -> Draw:
    import datashader as ds
    import datashader.transfer_functions as tf
    import xarray as xr

    canvas = ds.Canvas(SIZE, SIZE, x_range=(-180, 180), y_range=(-EDGE, EDGE))
    colours = [f"#{level:02x}{level // 2:02x}{255 - level:02x}" for level in range(256)]
    fields = {}
    for name, field in in_memory(folder).items():
        inside = field.sel(y=slice(LIMIT, -LIMIT))
        metres = EDGE / np.pi * np.arcsinh(np.tan(np.radians(inside.y.values)))
        fields[name] = inside.assign_coords(y=metres)
    opened = xr.open_zarr(folder / "steps.zarr", consolidated=False, chunks=None)["sst"]

    def draw(what: str, step: int) -> bytes:
        if what == "zarr":
            field = opened.isel(time=step).sel(lat=slice(LIMIT, -LIMIT)).rename(lat="y", lon="x").load()
            field = field.assign_coords(y=EDGE / np.pi * np.arcsinh(np.tan(np.radians(field.y.values))))
        else:
            field = fields[what]
        seen = canvas.quadmesh(field, x="x", y="y")
        image = tf.shade(seen, cmap=colours, how="linear", span=(LOW, HIGH))
        return bytes(image.to_bytesio("png").getvalue())

    return draw


def rio_tiler(folder: Path) -> Draw:
    import rioxarray  # noqa: F401  registers the accessor
    import xarray as xr
    from rio_tiler.colormap import cmap
    from rio_tiler.io import XarrayReader

    colours = cmap.get("inferno")
    fields = {name: field.rio.write_crs(4326) for name, field in in_memory(folder).items()}
    opened = xr.open_zarr(folder / "steps.zarr", consolidated=False, chunks=None)["sst"]

    def draw(what: str, step: int) -> bytes:
        field = fields.get(what)
        if field is None:
            field = opened.isel(time=step).rename(lat="y", lon="x").rio.write_crs(4326)
        with XarrayReader(field) as reader:
            image = reader.part((-180, -LIMIT, 180, LIMIT), dst_crs="EPSG:3857", width=SIZE, height=SIZE)
        image.rescale(((LOW, HIGH),))
        return bytes(image.render(img_format="PNG", colormap=colours))

    return draw


def titiler_xarray(folder: Path) -> Draw:
    from rio_tiler.colormap import cmap
    from titiler.xarray.io import Reader

    colours = cmap.get("inferno")
    fields = {name: field.to_dataset() for name, field in in_memory(folder).items()}
    store, noon = str(folder / "steps.zarr"), np.datetime64("2000-01-01T12")

    def draw(what: str, step: int) -> bytes:
        if what == "zarr":
            reader = Reader(store, variable="sst", sel=[f"time={noon + np.timedelta64(step, 'D')}"])
        else:
            reader = Reader("memory", variable="sst", opener=lambda *_, **__: fields[what])
        with reader:
            image = reader.part((-180, -LIMIT, 180, LIMIT), dst_crs="EPSG:3857", width=SIZE, height=SIZE)
        image.rescale(((LOW, HIGH),))
        return bytes(image.render(img_format="PNG", colormap=colours))

    return draw


def xpublish_tiles(folder: Path) -> Draw:
    import xarray as xr
    from pyproj import CRS
    from pyproj.aoi import BBox
    from xpublish_tiles import types
    from xpublish_tiles.pipeline import pipeline

    def with_crs(data: xr.Dataset) -> xr.Dataset:
        data = data.rename({name: new for name, new in (("y", "lat"), ("x", "lon")) if name in data.dims})
        data.lat.attrs.update(standard_name="latitude", units="degrees_north", axis="Y")
        data.lon.attrs.update(standard_name="longitude", units="degrees_east", axis="X")
        return data

    fields = {name: with_crs(field.to_dataset()) for name, field in in_memory(folder).items()}
    opened = with_crs(xr.open_zarr(folder / "steps.zarr", consolidated=False, chunks=None))
    for number, data in enumerate([*fields.values(), opened]):
        data.attrs["_xpublish_id"] = f"data{number}"
    times = opened.time.values

    def draw(what: str, step: int) -> bytes:
        query = types.QueryParams(
            variables=["sst"],
            crs=types.OutputCRS(CRS.from_epsg(3857)),
            bbox=types.OutputBBox(BBox(west=-EDGE, south=-EDGE, east=EDGE, north=EDGE)),
            selectors={"time": str(times[step])} if what == "zarr" else {},
            style="raster",
            width=SIZE,
            height=SIZE,
            variant="inferno",
            format=types.ImageFormat.PNG,
            colorscalerange=(LOW, HIGH),
        )
        return bytes(asyncio.run(pipeline(opened if what == "zarr" else fields[what], query)).getvalue())

    return draw


PEERS: dict[str, Callable[[Path], Draw]] = {
    "datashader": datashader,
    "rio-tiler": rio_tiler,
    "titiler-xarray": titiler_xarray,
    "xpublish-tiles": xpublish_tiles,
}


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    draw = PEERS[name](folder)
    if "--once" in sys.argv:
        sys.stdout.buffer.write(draw("zarr", 0))
        return
    # What a library prints must not look like an answer.
    out, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"ready": name}), file=out, flush=True)
    for line in sys.stdin:
        work = json.loads(line)
        start = time.perf_counter()
        png = draw(work["do"], work["step"])
        took = (time.perf_counter() - start) * 1e3
        if "file" in work:
            Path(work["file"]).write_bytes(png)
        print(json.dumps({"ms": took, "bytes": len(png)}), file=out, flush=True)


if __name__ == "__main__":
    main()
