"""Both carriers of HiveQL over the same tables: a real HiveServer2, and DuckDB over the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hive_server import HiveServer, needed
from tables import write_tables

from datavore_widgets.client.frames import frame
from datavore_widgets.client.hive import HiveService
from datavore_widgets.protocol.sql import SqlQuery
from datavore_widgets.service.tables import TableService


@pytest.fixture(scope="session")
def table_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of the tables, by name."""
    return write_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="session")
def hive_server(tmp_path_factory: pytest.TempPathFactory, table_folders: dict[str, Path]) -> Iterator[HiveServer]:
    """The server of this run, with the tables."""
    needed()
    server = HiveServer(tmp_path_factory.mktemp("hive"))
    try:
        service = HiveService("127.0.0.1", server.port, user="tester", password="anything", timeout=120)
        for name, folder in table_folders.items():
            service.answer(SqlQuery(f"CREATE TABLE {name} USING parquet LOCATION '{folder}'")).close()
        service.answer(SqlQuery("MSCK REPAIR TABLE fleet")).close()
        assert frame(service.answer(SqlQuery("SELECT count(*) AS n FROM fleet")))["n"][0] == 32_000
        yield server
    finally:
        server.stop()


@pytest.fixture
def doomed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HiveServer]:
    """A server of the test's own, to be killed."""
    needed()
    server = HiveServer(tmp_path_factory.mktemp("doomed"))
    yield server
    server.stop()


@pytest.fixture
def large_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HiveServer]:
    """A server that can hold a large result, as Spark does before it sends the first row."""
    needed()
    server = HiveServer(tmp_path_factory.mktemp("large"), memory="6g", quick=False)
    yield server
    server.stop()


@pytest.fixture
def hive(hive_server: HiveServer) -> HiveService:
    """The server's service."""
    return HiveService("127.0.0.1", hive_server.port, user="tester", password="anything", timeout=60)


@pytest.fixture(scope="session")
def files(table_folders: dict[str, Path]) -> Iterator[TableService]:
    """DuckDB over the same files."""
    with TableService(table_folders) as service:
        yield service
