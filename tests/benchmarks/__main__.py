"""Everything that is measured, in one run: `python -m tests.benchmarks [NAME…]` from the root of the repository.

The peers are installed on first use, each in an environment of its own in the user's cache folder, and do the same
work on the same data, in turn with ours. The data are made from seeds in a temporary folder and removed afterwards:
20 GB of disk for `boxes`, 1 GB for the others. `--quick` shows in a minute that everything works, not how fast.
"""

from __future__ import annotations

import argparse
import compileall
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import datavore_widgets
from tests.benchmarks.boxes import boxes
from tests.benchmarks.frames import frames
from tests.benchmarks.mosaic import mosaic
from tests.benchmarks.pictures import pictures, stages
from tests.benchmarks.starting import imports, starting
from tests.benchmarks.table import Run, say

BENCHMARKS: dict[str, Callable[[Run], None]] = {
    "pictures": pictures,
    "stages": stages,
    "frames": frames,
    "boxes": boxes,
    "starting": starting,
    "imports": imports,
    "mosaic": mosaic,
}

PROGRAMS = {"hive": "bench_hive.py", "files": "bench_files.py", "scrub": "bench_scrub.py", "app": "bench_app.py"}
"""Benchmarks that need more than Python (Java, a browser), or have no peer: programs of their own, run when named."""


def measure(names: list[str], run: Run) -> None:
    """Run some benchmarks one after the other."""
    for name in names:
        run.name = name
        say(f"{name}: {(BENCHMARKS[name].__doc__ or '').splitlines()[0]}")
        run.noise()
        folder = run.folder
        with tempfile.TemporaryDirectory(dir=folder, prefix=f"{name}-") as own:
            run.folder = Path(own)
            BENCHMARKS[name](run)
        run.folder = folder


def main(arguments: list[str] | None = None) -> None:
    """Run what is asked for, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join([*BENCHMARKS, *PROGRAMS])}")
    parser.add_argument("--quick", action="store_true", help="small data and two rounds")
    parser.add_argument("--rounds", type=int, help="times that each thing is done; default: 9")
    parser.add_argument("--no-peers", action="store_true", help="install and start no peers")
    parser.add_argument("--folder", type=Path, help="where the data go; default: the system's temporary folder")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in BENCHMARKS and name not in PROGRAMS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}: choose of {', '.join([*BENCHMARKS, *PROGRAMS])}")
    names = chosen.names or list(BENCHMARKS)
    # As pip leaves a package, and has left the peers: where PYTHONDONTWRITEBYTECODE is set, each process that is
    # started from a checkout would compile all that it imports again.
    compileall.compile_dir(Path(datavore_widgets.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="datavore-benchmark-") as scratch:
        run = Run(Path(scratch), chosen.quick, chosen.rounds or (2 if chosen.quick else 9), not chosen.no_peers)
        measure([name for name in names if name in BENCHMARKS], run)
    if run.rows:
        say(f"\n{run.table()}")
    for reason in run.left_out:
        say(f"left out: {reason}")
    for name in names:
        if name in PROGRAMS:
            subprocess.run([sys.executable, Path(__file__).with_name(PROGRAMS[name])], check=True)


if __name__ == "__main__":
    main()
