"""Rows a second to a DataFrame, ours beside its peers: on a real HiveServer2, and over Parquet files.

    python tests/benchmarks/bench_hive.py [--rows 5000000] [--only ours as_pandas …]

Every way runs in a process of its own, on the same server and table (id, a timestamp, three doubles), one after the
other; memory is that process' most. PyHive takes part where it is installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS), str(_TESTS / "hive")]

QUERY = "SELECT * FROM big"
GROUPED = (
    "SELECT floor(lon) AS x, floor(lat) AS y, avg(sst) AS sst, count(*) AS n FROM big GROUP BY floor(lon), floor(lat)"
)


def ours(port: int, folder: str) -> int:
    from datavore_widgets.client.datahive import Datahive

    return len(Datahive().executeQuery(QUERY, "127.0.0.1", port, user="a", password="b", timeout=600))


def ours_in_batches(port: int, folder: str) -> int:
    from datavore_widgets.client.datahive import Datahive

    parts = Datahive().executeQuery(QUERY, "127.0.0.1", port, user="a", password="b", timeout=600, batch_rows=50_000)
    return sum(map(len, parts))


def _impyla(port: int) -> Any:
    from impala.dbapi import connect

    cursor = connect("127.0.0.1", port, user="a", password="b", auth_mechanism="PLAIN", timeout=600).cursor(user="a")
    cursor.execute(QUERY)
    return cursor


def as_pandas(port: int, folder: str) -> int:
    from impala.util import as_pandas

    return len(as_pandas(_impyla(port)))


def fetchall(port: int, folder: str) -> int:
    return len(_impyla(port).fetchall())


def pyhive(port: int, folder: str) -> int:
    import pandas as pd
    from pyhive import hive

    cursor = hive.connect("127.0.0.1", port, username="a", password="b", auth="CUSTOM").cursor(arraysize=10_000)
    cursor.execute(QUERY)
    return len(pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description]))


def files(port: int, folder: str) -> int:
    from datavore_widgets.client.datahive import Datahive

    return len(Datahive(folder).executeQuery(QUERY))


def pandas_files(port: int, folder: str) -> int:
    import pandas as pd

    return len(pd.read_parquet(folder))


def files_grouped(port: int, folder: str) -> int:
    from datavore_widgets.client.datahive import Datahive

    made = Datahive(folder).executeQuery(GROUPED)
    return int(made["n"].sum())


def pandas_grouped(port: int, folder: str) -> int:
    import numpy as np
    import pandas as pd

    table = pd.read_parquet(folder, columns=["lon", "lat", "sst"])
    made = table.groupby([np.floor(table["lon"]), np.floor(table["lat"])])["sst"].agg(["mean", "size"])
    return int(made["size"].sum())


WAYS: dict[str, Callable[[int, str], int]] = {
    way.__name__: way
    for way in (
        ours,
        ours_in_batches,
        as_pandas,
        fetchall,
        pyhive,
        files,
        pandas_files,
        files_grouped,
        pandas_grouped,
    )
}


_LOADED = (
    "pandas",
    "pyarrow.dataset",
    "impala.util",
    "datavore_widgets.client.frames",
    "datavore_widgets.client.hive_connection",
    "datavore_widgets.service.tables.engine",
)


def measure(name: str, port: int, folder: str) -> None:
    """Run one way here, and tell rows, seconds and megabytes."""
    for module in _LOADED:  # which takes as long as a few million rows, and is the same for all
        importlib.import_module(module)
    started = time.perf_counter()
    rows = WAYS[name](port, folder)
    seconds = time.perf_counter() - started
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    sys.stdout.write(json.dumps({"rows": rows, "seconds": seconds, "megabytes": most}))


def _run(name: str, port: int, folder: str) -> dict[str, float] | None:
    """Measure one way in a process of its own; None if it cannot run."""
    if name == "pyhive" and importlib.util.find_spec("pyhive") is None:
        return None
    command = [sys.executable, __file__, "--one", name, str(port), folder]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        sys.stderr.write(f"{name} failed: {said.stderr.strip().splitlines()[-1]}\n")
        return None
    found: dict[str, float] = json.loads(said.stdout)
    return found


def main() -> None:
    """Start the server, fill the table, and run every way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--only", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--one", nargs=3)
    options = parser.parse_args()
    if options.one:
        measure(options.one[0], int(options.one[1]), options.one[2])
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped as well
    from hive_server import HiveServer

    from datavore_widgets.client.datahive import Datahive

    with tempfile.TemporaryDirectory() as scratch:
        server = HiveServer(Path(scratch, "hive"), memory="6g", quick=False)
        try:
            at = {"port": server.port, "user": "a", "password": "b", "timeout": 600}
            columns = (
                "id, timestamp_micros(1325376000000000 + id * 1000000) AS t, rand(1) * 360 - 180 AS lon, "
                "rand(2) * 180 - 90 AS lat, rand(3) * 30 AS sst"
            )
            made = f"CREATE TABLE big USING parquet AS SELECT {columns} FROM range({options.rows})"
            Datahive().executeQuery(made, "127.0.0.1", **at)
            folder = str(server.folder / "warehouse" / "big")
            _run("ours_in_batches", server.port, folder)  # the first run compiles the server's code
            best: dict[str, dict[str, float]] = {}
            for _ in range(options.repeat):  # one way after the other, and again: a busy minute hits them alike
                for name in options.only:
                    found = _run(name, server.port, folder)
                    if found is not None and found["seconds"] < best.get(name, found | {"seconds": 1e9})["seconds"]:
                        assert found["rows"] == options.rows, found
                        best[name] = found
            for name, found in best.items():
                rate = found["rows"] / found["seconds"]
                ratio = f"{best['ours']['seconds'] / found['seconds']:.2f} of ours" if "ours" in best else ""
                sys.stdout.write(f"{name:17}{rate / 1e3:9.0f} k rows/s {found['megabytes']:7.0f} MB  {ratio}\n")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
