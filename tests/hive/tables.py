"""The tables that the tests ask about, as the same Parquet files for both engines."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datavore_widgets.service.fleet import write_fleet


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


OBS = {
    "id": pa.array([1, 2, 3, 4, 5, 6, 7, 8], pa.int32()),
    "name": pa.array(["buoy", "float", None, "l'eau", 'say "hi"', "Île-d'Yeu 🐟", "a_b%c", ""], pa.string()),
    "t": pa.array(
        [
            _time("2012-08-15T12:34:56.789012"),
            _time("2012-08-15T00:00:00"),
            _time("1969-12-31T23:59:59.5"),
            None,
            _time("2000-02-29T06:00:00"),
            _time("1900-01-01T00:00:00"),
            _time("2038-01-19T03:14:08"),
            _time("2012-12-31T23:59:59.999999"),
        ],
        pa.timestamp("us"),
    ),
    "d": pa.array(
        [
            dt.date(2012, 8, 15),
            dt.date(2012, 1, 31),
            dt.date(1969, 12, 31),
            None,
            dt.date(2000, 2, 29),
            dt.date(1900, 1, 1),
            dt.date(2038, 1, 19),
            dt.date(2012, 12, 30),
        ],
        pa.date32(),
    ),
    "x": pa.array([1.5, -2.25, None, 0.0, 1234.5678, -0.75, 3.0, 100.0], pa.float64()),
    "f": pa.array([1.5, None, 0.25, -8.0, 2.5, 0.0, 1.0, 0.5], pa.float32()),
    "n": pa.array([10, -7, None, 2**53 + 1, 0, 3, -(2**62), 5], pa.int64()),
    "k": pa.array([1, 2, 3, 1, 2, 3, 1, None], pa.int16()),
    "flag": pa.array([True, False, None, True, False, True, None, False], pa.bool_()),
    "amount": pa.array(
        [
            Decimal("1.50"),
            Decimal("-2.25"),
            None,
            Decimal("0.00"),
            Decimal("99999.99"),
            Decimal("0.01"),
            None,
            Decimal("7.00"),
        ],
        pa.decimal128(10, 2),
    ),
    "tags": pa.array([["a", "b"], [], None, ["c"], ["a", None], ["é"], ["b", "a", "c"], ["d"]], pa.list_(pa.string())),
    "props": pa.array(
        [[("p", 1)], [], None, [("q", 2), ("r", 3)], [("s", None)], [("t", 5)], [("u", 6)], [("v", 7)]],
        pa.map_(pa.string(), pa.int32()),
    ),
    "place": pa.array(
        [
            {"lon": -4.5, "lat": 48.25},
            {"lon": 0.0, "lat": None},
            None,
            *({"lon": float(i), "lat": 1.5} for i in range(5)),
        ],
        pa.struct([("lon", pa.float64()), ("lat", pa.float64())]),
    ),
    "raw": pa.array([b"ab", b"", None, b"xyz", b"0", b"1", b"2", b"3"], pa.binary()),
}
KINDS = {
    "k": pa.array([1, 2, 4], pa.int16()),
    "label": pa.array(["one", "two", "four"], pa.string()),
}


def write_tables(folder: Path) -> dict[str, Path]:
    """Write the tables, and give their folders by name."""
    folders = {name: folder / name for name in ("obs", "kinds", "fleet")}
    for path in folders.values():
        path.mkdir(parents=True)
    pq.write_table(pa.table(OBS), folders["obs"] / "part-0.parquet")
    pq.write_table(pa.table(KINDS), folders["kinds"] / "part-0.parquet")
    write_fleet(folders["fleet"], drifters=20, positions=1600)
    return folders
