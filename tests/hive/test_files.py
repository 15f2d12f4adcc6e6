"""Tables over files: which files are which table, what SQL can reach, and what it cannot."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datavore_widgets.client.frames import frame, frames
from datavore_widgets.errors import (
    Cancelled,
    DatavoreError,
    DeadlineExceeded,
    InvalidSql,
    InvalidValue,
    NotSupported,
    UnknownName,
    Unreadable,
)
from datavore_widgets.protocol.sql import SchemaQuery, SqlJob, SqlQuery, Table, parse_parameters
from datavore_widgets.service.fleet import fleet_path, write_fleet
from datavore_widgets.service.tables import TableService

SECRET = "the-secret-in-another-file"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of tables, and beside it what is nobody's business."""
    root = tmp_path / "data"
    (root / "days" / "year=2012" / "month=8").mkdir(parents=True)
    (root / "days" / "year=2013" / "month=1").mkdir(parents=True)
    pq.write_table(pa.table({"x": [1, 2]}), root / "days" / "year=2012" / "month=8" / "a.parquet")
    pq.write_table(pa.table({"x": [3]}), root / "days" / "year=2013" / "month=1" / "b.parquet")
    (root / "days" / "_SUCCESS").touch()
    (root / "stations.csv").write_text("name,lon,when\nBrest,-4.5,2012-08-15 12:00:00\nÎle,0,\n", encoding="utf-8")
    pq.write_table(pa.table({"y": [1.5]}), root / "one file.parquet")
    (tmp_path / "secret.csv").write_text(f"s\n{SECRET}\n")
    (tmp_path / "data-other").mkdir()
    (tmp_path / "data-other" / "secret.csv").write_text(f"s\n{SECRET}\n")
    return root


@pytest.fixture
def service(folder: Path) -> Iterator[TableService]:
    with TableService(folder) as made:
        yield made


def test_a_service_that_nobody_closes_leaves_no_files_behind(folder: Path) -> None:
    service = TableService(folder)
    scratch = Path(service._scratch)
    assert scratch.is_dir()
    del service
    gc.collect()
    assert not scratch.exists()


def test_a_service_is_closed_quietly_under_a_result_that_was_not_read_to_its_end(folder: Path) -> None:
    with TableService(folder) as service:
        rest = iter(service.answer(SqlQuery("SELECT x FROM days", batch_rows=1)))
        next(rest)
        (watch,) = [thread for thread in threading.enumerate() if thread.name == "datavore-sql-watch"]
    watch.join(10)  # an error in there would be one of this test
    assert not watch.is_alive()


def _one(service: TableService, text: str, **parameters: object) -> object:
    return frame(service.answer(SqlQuery(text, parse_parameters(parameters)))).iloc[0, 0]


def test_a_damaged_table_is_listed_without_columns_beside_others(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 and no more")
    with TableService({"days": folder / "days", "bad": bad}) as service:
        schema = service.answer(SchemaQuery()).tables
        assert (schema["bad"], len(schema["days"])) == ((), 3)
        with pytest.raises(Unreadable):
            _one(service, "SELECT count(*) FROM bad")
    with TableService(bad) as service, pytest.raises(Unreadable):
        service.answer(SchemaQuery())


def test_tables_of_a_folder(service: TableService) -> None:
    schema = service.answer(SchemaQuery()).tables
    assert list(schema) == ["days", "one_file", "stations"]
    assert [(c.name, c.type) for c in schema["days"]] == [("x", "bigint"), ("month", "bigint"), ("year", "bigint")]
    assert [(c.name, c.type) for c in schema["stations"]] == [
        ("name", "string"),
        ("lon", "double"),
        ("when", "timestamp"),
    ]
    assert _one(service, "SELECT sum(x) FROM days WHERE year = 2012 AND month = 8") == 3
    assert _one(service, "SELECT name FROM stations WHERE `when` IS NULL") == "Île"


def test_other_ways_to_name_tables(folder: Path, tmp_path: Path) -> None:
    catalog = tmp_path / "tables.toml"
    catalog.write_text('[table.Both]\nfiles = ["data/days", "data/days/year=2012/month=8/a.parquet"]\n')
    for spec, name in (
        (str(folder / "days"), "days"),
        (folder / "stations.csv", "stations"),
        ([folder / "days", folder / "stations.csv"], "stations"),
        ({"Mine": folder / "days"}, "mine"),
        (catalog, "both"),
    ):
        with TableService(spec) as service:
            assert name in service.answer(SchemaQuery()).tables, spec
    with TableService([folder / "days", folder / "days"]) as service:
        assert list(service.answer(SchemaQuery()).tables) == ["days", "days_2"]


@pytest.mark.parametrize(
    ("spec", "kind", "what"),
    [
        ("no/such/place", Unreadable, "there is no"),
        (5, InvalidValue, "a path"),
        (__file__, Unreadable, "neither Parquet nor CSV"),
        ({"t": "no/such/place"}, Unreadable, "there is no"),
    ],
)
def test_no_tables(spec: object, kind: type[DatavoreError], what: str) -> None:
    with pytest.raises(kind, match=what):
        TableService(spec)


def test_new_files_are_seen(service: TableService, folder: Path) -> None:
    assert _one(service, "SELECT count(*) FROM days") == 3
    more = folder / "days" / "year=2014" / "month=2"
    more.mkdir(parents=True)
    pq.write_table(pa.table({"x": [9, 9]}), more / "c.parquet")
    assert _one(service, "SELECT count(*) FROM days") == 5
    assert len(frame(service.answer(SqlQuery("SHOW PARTITIONS days")))) == 3


def test_damaged_and_vanished_files_are_errors(service: TableService, folder: Path) -> None:
    part = folder / "days" / "year=2013" / "month=1" / "b.parquet"
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(Unreadable):
        _one(service, "SELECT sum(x) FROM days")
    for path in (folder / "days").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(Unreadable, match="no files any more"):
        _one(service, "SELECT sum(x) FROM days")


def test_links_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    (folder / "days" / "link.parquet").symlink_to(tmp_path / "outside.parquet")
    pq.write_table(pa.table({"x": [1000]}), tmp_path / "outside.parquet")
    (folder / "days" / "away").symlink_to(tmp_path)
    with TableService(folder / "days") as service:
        assert _one(service, "SELECT max(x) FROM days") == 3


def _attempts(place: Path) -> Iterator[str]:
    for path in (
        f"{place}/secret.csv",
        f"{place}/data/../secret.csv",
        f"{place}/data/days/../../secret.csv",
        f"{place}/data-other/secret.csv",
        f"file://{place}/secret.csv",
        f"FILE://{place}/secret.csv",
        f"{place}//secret.csv",
        f"{place}/./secret.csv",
        f"{place}/data/%2e%2e/secret.csv",
        f"{place}/*.csv",
        "secret.csv",
        "../secret.csv",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/stdin",
        "~/.bashrc",
        "http://127.0.0.1:1/x.csv",
        "s3://bucket/x.csv",
    ):
        yield f"SELECT * FROM `{path}`"
        yield f"SELECT * FROM '{path}'"
        yield f'SELECT * FROM "{path}"'
        yield f"SELECT * FROM default.`{path}`"
        yield f"SELECT * FROM csv.`{path}`"
        for function in ("read_csv", "read_csv_auto", "read_text", "read_blob", "read_parquet", "parquet_scan", "glob"):
            yield f"SELECT * FROM {function}('{path}')"
        yield f"SELECT * FROM days WHERE x IN (SELECT * FROM read_text('{path}'))"
        yield f"WITH c AS (SELECT * FROM read_csv('{path}')) SELECT * FROM c"
        yield f"SELECT * FROM days LATERAL VIEW read_text('{path}') t AS x"
        yield f"COPY days FROM '{path}'"
        yield f"COPY (SELECT 1) TO '{path}'"
        yield f"ATTACH '{path}' AS other"
        yield f"LOAD DATA LOCAL INPATH '{path}' INTO TABLE days"
        yield f"CREATE EXTERNAL TABLE t (s string) LOCATION '{path}'"
        yield f"CREATE TABLE t USING csv OPTIONS (path '{path}')"
        yield f"INSERT OVERWRITE DIRECTORY '{path}' SELECT * FROM days"
        yield f"EXPORT TABLE days TO '{path}'"
        yield f"LOAD '{path}'"
        yield f"INSTALL '{path}'"
    yield from (
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "RESET ALL",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM sqlite_master",
        "SELECT getenv('HOME')",
        "SELECT current_setting('allowed_directories')",
        "SELECT query('SELECT 1')",
        "SELECT * FROM query_table('days')",
        "SELECT `read_text`('/etc/passwd')",
        "SELECT hive_item(x, 1) FROM days",
        "SELECT error('x')",
        "CREATE SECRET s (TYPE s3)",
        "CREATE MACRO m(a) AS a",
        "EXPLAIN COPY days TO '/tmp/x'",
        "EXPLAIN ANALYZE SELECT * FROM read_text('/etc/passwd')",
        "SELECT 1; SELECT * FROM read_text('/etc/passwd')",
        "DROP TABLE days",
        "DELETE FROM days",
        "ALTER TABLE days RENAME TO n",
        "CREATE VIEW v AS SELECT 1",
        "SELECT reflect('java.lang.System', 'getenv')",
        "ADD JAR /tmp/x.jar",
        "SELECT * FROM sqlite_master WHERE EXISTS (WITH sqlite_master AS (SELECT 1 AS a) SELECT a FROM sqlite_master)",
        "SELECT * FROM (WITH duckdb_tables AS (SELECT 1 AS a) SELECT a FROM duckdb_tables) t, duckdb_tables",
        "DROP VIEW v, days",
        "DROP VIEW days",
    )


@pytest.mark.parametrize("writable", [False, True])
def test_nothing_else_can_be_reached(
    folder: Path, tmp_path: Path, writable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    count = 0
    allowed = {"DROP TABLE days", "CREATE VIEW v AS SELECT 1"} if writable else set()
    with TableService(folder, writable=writable) as service:
        for text in _attempts(tmp_path):
            count += 1
            if text in allowed:
                continue
            with pytest.raises(DatavoreError) as caught:
                frame(service.answer(SqlQuery(text)))
            assert SECRET not in str(caught.value), text
    assert count > 400
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_the_engine_itself_is_locked(service: TableService, tmp_path: Path) -> None:
    """Behind the reading of the query, were it ever fooled, DuckDB reaches the tables' folders and nothing else."""
    engine = service._engine
    reached = 0
    for text in _attempts(tmp_path):
        if not text.startswith(("SELECT * FROM read", "SELECT * FROM '", "COPY", "ATTACH", "SET", "INSTALL", "LOAD '")):
            continue
        reached += 1
        with pytest.raises(duckdb.Error):
            engine.execute(text).fetchall()
    assert reached > 100


def test_read_only_unless_asked(folder: Path) -> None:
    with TableService(folder, writable=True) as service:
        for text in (
            "CREATE TABLE kept AS SELECT x * 2 AS twice FROM days",
            "INSERT INTO kept SELECT 100",
            "CREATE VIEW seen AS SELECT max(twice) AS most FROM kept",
        ):
            assert service.answer(SqlQuery(text)).columns == ()
        assert _one(service, "SELECT most FROM seen") == 100
        assert {"kept", "seen"} <= set(service.answer(SchemaQuery()).tables)
        service.answer(SqlQuery("DROP VIEW seen"))
        with pytest.raises(InvalidSql, match="unknown table 'seen'"):
            _one(service, "SELECT most FROM seen")
        for text in ("INSERT INTO days SELECT 1, 2, 3", "DROP TABLE days", "CREATE TABLE days AS SELECT 1 AS x"):
            with pytest.raises(DatavoreError):
                service.answer(SqlQuery(text))
        assert _one(service, "SELECT count(*) FROM days") == 3


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("SELECT * FROM dais", InvalidSql, "did you mean 'days'"),
        ("SELECT nope FROM days", InvalidSql, "nope"),
        ("SELEC 1", InvalidSql, "line 1"),
        ("SELECT * FROM other.days", InvalidSql, "one database"),
        ("SELECT 1; SELECT 2", InvalidSql, "one statement"),
        ("SELECT cast(x AS array<int>) FROM days", NotSupported, "a cast to array<int>"),
        ("SHOW PARTITIONS stations", InvalidSql, "no partitions"),
        ("DESCRIBE dais", InvalidSql, "did you mean 'days'"),
    ],
)
def test_mistakes(service: TableService, text: str, kind: type[DatavoreError], what: str) -> None:
    with pytest.raises(kind, match=what):
        frame(service.answer(SqlQuery(text)))


def test_mistakes_have_a_place(service: TableService) -> None:
    with pytest.raises(InvalidSql) as caught:
        service.answer(SqlQuery("SELECT *\nFROM   dais"))
    assert (caught.value.line, caught.value.column) == (2, 8)


def test_another_database(service: TableService) -> None:
    with pytest.raises(UnknownName, match="'default'"):
        service.answer(SqlQuery("SELECT 1", database="other"))


def test_explain(service: TableService) -> None:
    plan = frame(service.answer(SqlQuery("EXPLAIN SELECT sum(x) FROM days WHERE year = 2012")))
    assert "PARQUET" in plan.iloc[0, -1].upper()


ENDLESS = "SELECT count(*) FROM fleet a JOIN fleet b ON a.lon * b.lat > a.lat * b.lon"


def test_cancel_and_deadline(table_folders: dict[str, Path]) -> None:
    with TableService(table_folders["fleet"], threads=1) as service:
        job = SqlJob()
        started = time.monotonic()
        threading.Timer(0.3, job.cancel).start()
        with pytest.raises(Cancelled):
            list(service.answer(SqlQuery(ENDLESS), job))
        with pytest.raises(DeadlineExceeded, match=r"0\.3 s"):
            list(service.answer(SqlQuery(ENDLESS, deadline=0.3)))
        assert time.monotonic() - started < 30
        assert _one(service, "SELECT count(*) FROM fleet") == 32_000


def test_batches(table_folders: dict[str, Path]) -> None:
    with TableService(table_folders["fleet"]) as service:
        job = SqlJob()
        table = service.answer(SqlQuery("SELECT * FROM fleet ORDER BY time, id", batch_rows=5000), job)
        parts = list(frames(table))
        assert sum(map(len, parts)) == 32_000 == job.rows
        assert max(map(len, parts)) <= 5000
        early = service.answer(SqlQuery("SELECT * FROM fleet", batch_rows=100))
        next(iter(early))
        early.close()
        assert _one(service, "SELECT count(*) FROM fleet") == 32_000


def test_two_at_a_time(table_folders: dict[str, Path]) -> None:
    with TableService(table_folders) as service:
        one = iter(service.answer(SqlQuery("SELECT id FROM fleet ORDER BY time, id", batch_rows=1000)))
        other = iter(service.answer(SqlQuery("SELECT id FROM obs ORDER BY id")))
        assert next(one).num_rows == 1000
        assert next(other).column(0).to_pylist() == list(range(1, 9))
        assert sum(batch.num_rows for batch in one) == 31_000


def test_whole_numbers_that_are_too_large(service: TableService) -> None:
    assert _one(service, "SELECT sum(x) FROM days") == 6
    with pytest.raises(DatavoreError, match="bigint"):
        _one(service, "SELECT sum(9000000000000000000L) FROM days")


def test_an_empty_result_shows_its_columns(service: TableService) -> None:
    made = frame(service.answer(SqlQuery("SELECT x, year FROM days WHERE x > 10")))
    assert list(made.columns) == ["x", "year"]
    assert made.empty


def test_the_sample_fleet_is_the_same_everywhere(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_fleet(tmp_path / name, drifters=5, positions=1500)
    one, two = (pq.read_table(tmp_path / name) for name in ("one", "two"))
    assert one.equals(two)
    assert one.num_rows == 7500
    lat, lon = (one.column(name).to_numpy() for name in ("lat", "lon"))
    assert np.abs(lat).max() < 70
    assert -180 <= lon.min() < lon.max() <= 180
    speed = np.hypot(one.column("u").to_numpy(), one.column("v").to_numpy())
    assert 0.05 < speed.mean() < 1
    assert 0 < one.column("sss").null_count / 7500 - 0.05 < 0.1


def test_the_sample_fleet_answers() -> None:
    with TableService() as service:
        assert _one(service, "SELECT count(*) FROM fleet") == 1_000_000
        assert _one(service, "SELECT count(DISTINCT id) FROM fleet WHERE lat BETWEEN :s AND :n", s=-70, n=70) == 500
        path = fleet_path()
        assert os.fspath(path).startswith(os.environ["XDG_CACHE_HOME"])


def test_with_may_shadow_a_table(service: TableService) -> None:
    assert _one(service, "WITH days AS (SELECT 7 AS x) SELECT sum(x) FROM days") == 7
    assert _one(service, "WITH a AS (SELECT x FROM days), b AS (SELECT x FROM a) SELECT sum(x) FROM b") == 6


def test_a_table_is_a_table(service: TableService) -> None:
    assert isinstance(service.answer(SqlQuery("SELECT 1")), Table)
