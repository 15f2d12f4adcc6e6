"""Cold processes: how long an import takes and what costs most in it, the first picture, and the app."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from datavore_widgets.service.laps.prepare import prepare
from tests.benchmarks.data import field, make_steps
from tests.benchmarks.peers import SCRIPT, Missing, python_of
from tests.benchmarks.table import Run, interleaved, say, timed

__all__ = ["imports", "starting"]

COLD = {"rio-tiler": 8, "datashader": 8, "xpublish-tiles": 8}
ROUNDS = 5
"""Each takes seconds."""

FIRST_PICTURE = """
import sys
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, MapQuery, Source, Style
from datavore_widgets.protocol.times import Date
from datavore_widgets.service.local import LocalService
world = Canvas(BBox(-180, -85.05112877980659, 180, 85.05112877980659), 1024, "mercator")
query = MapQuery(Source("steps", "sst", Date.parse("2000-01-01")), world, Style("inferno", 5.0, 30.0))
sys.stdout.buffer.write(LocalService(sys.argv[1], laps=sys.argv[2]).answer(query).png)
"""

NEEDLESS = (
    *("xarray", "pandas", "zarr", "h5py", "netCDF4", "scipy", "dask", "PIL", "numba", "numpy.ma"),
    *("datavore_widgets.service.values", "datavore_widgets.service.data", "datavore_widgets.service.lapses"),
    *("cmap", "importlib.metadata", "email", "socket", "tomllib", "difflib", "secrets", "tempfile", "platformdirs"),
    *("datavore_widgets.service.mosaic", "datavore_widgets.service.polygons"),
    *("datavore_widgets.service.frames", "datavore_widgets.service.mesh"),
    *("datavore_widgets.service.periods", "datavore_widgets.service.crew", "datavore_widgets.protocol.waves"),
)
"""What reads files, draws otherwise, or answers other questions: the first picture of prepared data needs none."""

BEFORE = "import sys, numpy; before = {*sys.modules}"
"""Of some versions numpy loads its masked arrays itself."""

WHAT_IT_LOADED = f"sys.stderr.write(' '.join(name for name in {NEEDLESS} if name in {{*sys.modules}} - before))"

IMPORTED = {
    "import datavore_widgets": ("import datavore_widgets", 300),
    "the notebook's names": ("from datavore_widgets import Datavore, DatavoreMap, View, explore", None),
    "the embedded service": ("import datavore_widgets.service.local", None),
    "the server": ("import datavore_widgets.server.app, datavore_widgets.server.run", None),
    "the command line": ("import datavore_widgets.cli", None),
}
"""What is imported, and the milliseconds that it may take at most."""


def starting(run: Run) -> None:
    """From the start of a process to the bytes of its first picture, on data that are prepared."""
    _, values = field(*((90, 180) if run.quick else (720, 1440)))
    store = run.folder / "cold" / "steps.zarr"
    make_steps(store, values, 4)
    prepare(store, folder=run.folder / "laps", fields=True)
    ours: list[str | Path] = [sys.executable, "-c", FIRST_PICTURE, store, run.folder / "laps"]
    ways = {"ours": _started(ours)}
    for name in COLD if run.with_peers else ():
        try:
            ways[name] = _started([python_of(name), SCRIPT, name, store.parent, "--once"])
        except Missing as error:
            run.left_out.append(str(error))
    found = interleaved(ways, min(run.rounds, ROUNDS))
    run.beside("cold process to its first PNG, prepared", "ours", found, COLD)
    run.number("… ours in milliseconds", min(found["ours"]), most=600)
    ours[2] = BEFORE + FIRST_PICTURE + WHAT_IT_LOADED
    told = subprocess.run(ours, capture_output=True, check=True).stderr.decode().split()
    run.counts["needless modules that the first picture loads"] = len(told)


def _started(command: list[str | Path]) -> Callable[[int], float]:
    """A process that writes a picture."""

    def call(_: int) -> float:
        def start() -> None:
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode or not done.stdout.startswith(b"\x89PNG"):
                raise RuntimeError(f"{command[0]} drew nothing: {done.stderr.decode()[-500:]}")

        return timed(start)

    return call


def imports(run: Run) -> None:
    """Each import in a process of its own, beside one that imports nothing; and the ten costliest modules of each."""
    ways: dict[str, Callable[[int], float]] = {"nothing": lambda _: timed(lambda: _python("pass"))}
    for name, (code, _) in IMPORTED.items():
        ways[name] = lambda _, code=code: timed(lambda: _python(code))
    found = interleaved(ways, min(run.rounds, ROUNDS))
    nothing = found.pop("nothing")
    for name, took in found.items():
        run.number(f"{name}, ms over an empty process", min(took) - min(nothing), most=IMPORTED[name][1])
    for name, (code, _) in IMPORTED.items():
        say(f"  the ten costliest of: {name}")
        for own, module in costliest(code):
            say(f"    {own / 1e3:7.1f} ms  {module}")


def costliest(code: str, many: int = 10) -> list[tuple[int, str]]:
    """Microseconds that modules take by themselves, without what they import, the costliest first."""
    told = _python(code, "-X", "importtime").stderr.decode()
    lines = [line.removeprefix("import time:").split("|") for line in told.splitlines() if "|" in line]
    return sorted(((int(own), name.strip()) for own, _, name in lines if own.strip().isdigit()), reverse=True)[:many]


def _python(code: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, check=True)
