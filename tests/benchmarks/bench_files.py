"""Lists of files by footprint and time, and opening folders that are known: how both grow from 10⁴ to 10⁶ granules.

`python -m tests.benchmarks files`, or this file with the most granules as its argument, prints a line a size: the
first learning, a search of a box over all times and in a month, and of a day on the whole earth; and, of real (small)
files up to 10⁵, what opening their folder takes when it is known, with how many files were really opened.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.queries import FilesQuery
from datavore_widgets.protocol.times import Lapse, label_from_millis
from datavore_widgets.service import files as files_module
from datavore_widgets.service.ledger import Ledger, Record, Seen, ledger_path
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.recall import KIND, LEDGER

DAY = 86_400_000
FIRST, DAYS = 1_262_304_000_000, 3650  # ten years from 2010 on
MOST_REAL = 100_000


def milliseconds(call: Callable[[], object], turns: int = 5) -> tuple[float, object]:
    """The median of some calls, and what the last of them gave."""
    taken, result = [], None
    for _ in range(turns):
        start = time.perf_counter()
        result = call()
        taken.append((time.perf_counter() - start) * 1e3)
    return float(np.median(taken)), result


def search(count: int, folder: Path) -> None:
    """Granules of 2 by 2 degrees, anywhere in ten years."""
    rng = np.random.default_rng(0)
    west, south = rng.uniform(-180, 180, count), rng.uniform(-85, 83, count)
    labels = label_from_millis(FIRST + np.sort(rng.integers(0, DAYS * DAY, count))).tolist()
    ledger = Ledger(folder / f"{count}.sqlite")
    start = time.perf_counter()
    ledger.remember(
        (
            Seen(f"/archive/{number // 1000:06d}/granule-{number:09d}.nc", 1, 1),
            [Record((BBox(w, s, (w + 182) % 360 - 180, s + 2),), label, label, KIND, bytes(100))],
        )
        for number, (w, s, label) in enumerate(zip(west.tolist(), south.tolist(), labels, strict=True))
    )
    learned = time.perf_counter() - start
    across, month, day = BBox(178, 0, -178, 4), Lapse.parse("201503,201503"), Lapse.parse("20150310,20150310")
    told = [f"{count:>9,} granules: learned in {learned:6.1f} s"]
    for name, ask in {
        "box": lambda: ledger.search(across),
        "box in a month": lambda: ledger.search(BBox(-30, 10, 30, 40), month),
        "day": lambda: ledger.search(GLOBAL, day),
    }.items():
        taken, hits = milliseconds(ask)
        told.append(f"{name} {taken:6.2f} ms ({len(hits)} found)")  # type: ignore[arg-type]
    say(", ".join(told))


def opening(count: int, folder: Path) -> None:
    """A folder of one swath, copied under many names and told as many times: only the first is opened."""
    lon, lat = np.meshgrid(np.linspace(170, 190, 20), np.linspace(-10, 10, 20))
    data = folder / f"data-{count}"
    data.mkdir()
    swath = xr.Dataset(
        {"sst": (("time", "nj", "ni"), np.zeros((1, 20, 20), np.float32))},
        {
            "time": ("time", [0.0], {"units": "days since 2010-01-01"}),
            "lon": (("nj", "ni"), lon + 0.1 * lat, {"units": "degrees_east"}),
            "lat": (("nj", "ni"), lat, {"units": "degrees_north"}),
        },
        {"processing_level": "L2P"},
    )
    for number in range(2):
        swath["time"] = ("time", [float(number)], {"units": "days since 2010-01-01"})
        swath.to_netcdf(data / f"{number:07d}.nc", engine="scipy")
    LocalService(data).close()
    with Ledger(ledger_path(LEDGER)) as ledger:
        *_, (_, _, records) = ledger.recall([str(data / "0000001.nc")])
        assert records is not None
        own = records[0]

        def others():  # type: ignore[no-untyped-def]
            import msgpack

            labels = label_from_millis(FIRST + np.arange(count) * (DAYS * DAY // count))
            slot, told, footprint = msgpack.unpackb(own.payload)
            key, _, places, bounds = msgpack.unpackb(told)
            for number in range(2, count):
                path = data / f"{number:07d}.nc"
                # A file has some 65,000 names at most.
                if number % 50_000 == 2:
                    shutil.copy(data / "0000001.nc", path)
                    first = path
                else:
                    os.link(first, path)
                label = int(labels[number])
                mine = msgpack.packb([key, [labels[number : number + 1].tobytes()], places, bounds])
                seen = Seen.of(str(path))
                yield seen, [Record(own.boxes, label, label, KIND, msgpack.packb([slot, mine, footprint]))]

        ledger.remember(others())
    opened: list[Path] = []
    before = files_module._open
    files_module._open = lambda path, fingerprint: opened.append(path) or before(path, fingerprint)  # type: ignore[func-returns-value]
    try:
        start = time.perf_counter()
        with LocalService(data) as service:
            taken = time.perf_counter() - start
            (index,) = service._store.library.indexes
            query = FilesQuery(index, "sst", BBox(179, -2, -179, 2), Lapse.parse("201503,201503"))
            service.answer(query)
            asked, found = milliseconds(lambda: service.answer(query))
    finally:
        files_module._open = before
    say(
        f"{count:>9,} files: a known folder is open in {taken:5.2f} s, {len(opened)} of them opened; "
        f"getFileList of a month {asked:6.2f} ms ({len(found.files)} found)"  # type: ignore[attr-defined]
    )


def say(line: str) -> None:
    """A line of the table."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Every size up to the one that is given."""
    most = int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch
        for count in (10_000, 100_000, 1_000_000):
            if count <= most:
                search(count, Path(scratch))
        for count in (10_000, MOST_REAL):
            if count <= most:
                opening(count, Path(scratch))


if __name__ == "__main__":
    main()
