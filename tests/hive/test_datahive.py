"""The documented class: its signatures, where what is not given comes from, and what it returns."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hive_server import HiveServer

from datavore_widgets.client.credentials import Secret, find_credentials
from datavore_widgets.client.datahive import Datahive
from datavore_widgets.client.hive import HiveService
from datavore_widgets.errors import UnknownKeyword
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.sql import SchemaQuery, SqlQuery, Table
from datavore_widgets.service.tables import TableService


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "USER", "PASSWORD", "QUEUE", "CA_CERT"):
        monkeypatch.delenv(f"DATAHIVE_{name}", raising=False)


def test_documented_signatures() -> None:
    for method, documented in (
        (
            Datahive.executeQuery,
            "query host port auth_mechanism user password database output_pandas queue_name",
        ),
        (Datahive.executeQueryPYHS2, "query host port authMechanism user password database"),
    ):
        parameters = inspect.signature(method).parameters
        positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == ["self", *documented.split()]
        defaults = {name: p.default for name, p in parameters.items()}
        assert defaults["port"] == 10000
        assert defaults["database"] == "default"
        assert {defaults[name] for name in ("host", "user", "password")} == {None}


def test_over_files(table_folders: dict[str, Path]) -> None:
    hive = Datahive(table_folders)
    assert hive.executeQuery("SELECT id, x FROM obs WHERE id < 3")["x"].tolist() == [1.5, -2.25]
    assert hive.executeQuery("SELECT id FROM obs WHERE id < 3", output_pandas=False) == [(1,), (2,)]
    assert hive.executeQueryPYHS2("SELECT id FROM obs WHERE id < 3") == [(1,), (2,)]
    assert hive.executeQuery("SELECT :a AS a", parameters={"a": "l'eau"})["a"].tolist() == ["l'eau"]
    parts = list(hive.executeQuery("SELECT id FROM obs ORDER BY id", batch_rows=3))
    assert all(isinstance(part, pd.DataFrame) for part in parts)
    assert pd.concat(parts)["id"].tolist() == list(range(1, 9))
    assert sum(map(len, hive.executeQuery("SELECT id FROM obs", output_pandas=False, batch_rows=3))) == 8
    assert list(hive.tables().tables) == ["fleet", "kinds", "obs"]
    assert "obs" in repr(hive)
    assert hive.explain("SELECT * FROM obs")


def test_on_a_server(hive_server: HiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hive = Datahive()
    at = {"host": "127.0.0.1", "port": hive_server.port, "user": "a", "password": "b"}
    assert hive.executeQuery("SELECT id, x FROM obs WHERE id < 3 ORDER BY id", **at)["x"].tolist() == [1.5, -2.25]
    listed = hive.executeQueryPYHS2("SELECT id FROM obs WHERE id < 3 ORDER BY id", "127.0.0.1", hive_server.port)
    assert listed == [(1,), (2,)]
    assert "obs" in hive.tables(host="127.0.0.1", port=hive_server.port).tables
    assert "Scan" in hive.explain("SELECT * FROM obs", **at)
    assert hive.executeQuery("CREATE TABLE IF NOT EXISTS made_here (a int) USING parquet", **at).empty
    monkeypatch.setenv("DATAHIVE_HOST", "127.0.0.1")
    assert hive.executeQuery("SELECT id FROM obs WHERE id = 1", port=hive_server.port)["id"].tolist() == [1]


def test_the_server_of_the_environment_gives_way_to_files(
    table_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAHIVE_HOST", "127.0.0.1")
    assert Datahive(table_folders).executeQuery("SELECT count(*) AS c FROM obs")["c"].tolist() == [8]


def test_a_service_of_ones_own(files: Any) -> None:
    assert Datahive(files).executeQuery("SELECT count(*) AS c FROM obs")["c"].tolist() == [8]
    assert files.answer(SchemaQuery()) == Datahive(files).tables()


def test_both_methods_are_one_road(files: TableService, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[SqlQuery] = []

    class Heard:
        def answer(self, query: SqlQuery, job: Job | None = None) -> Table:
            asked.append(query)
            return files.answer(query, job)

    monkeypatch.setenv("DATAHIVE_QUEUE", "ocean")
    hive = Datahive(Heard())
    told = hive.executeQuery("SELECT id FROM obs", output_pandas=False)
    assert hive.executeQueryPYHS2("SELECT id FROM obs") == told
    assert asked[0] == asked[1]
    assert asked[0].queue == "ocean"


def test_unknown_keyword(table_folders: dict[str, Path]) -> None:
    with pytest.raises(UnknownKeyword, match="did you mean 'queue_name'"):
        Datahive(table_folders).executeQuery("SELECT 1", queue_nam="x")


def test_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert find_credentials("h", "me", None).password is None
    assert find_credentials("h", None, None).user
    monkeypatch.setenv("DATAHIVE_USER", "from-env")
    monkeypatch.setenv("DATAHIVE_PASSWORD", "env-word")
    found = find_credentials("h", None, None)
    assert (found.user, found.password.reveal() if found.password else None) == ("from-env", "env-word")
    given = find_credentials("h", "me", "word").password
    assert given is not None
    assert given.reveal() == "word"


def test_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = types.ModuleType("keyring")
    keyring.errors = types.SimpleNamespace(KeyringError=RuntimeError)  # type: ignore[attr-defined]
    kept = {("datahive", "me@h"): "kept-word"}
    keyring.get_password = lambda service, account: kept.get((service, account))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    found = find_credentials("h", "me", None).password
    assert found is not None
    assert found.reveal() == "kept-word"
    assert find_credentials("other", "me", None).password is None


def test_a_secret_does_not_show() -> None:
    secret = Secret("canary")
    assert "canary" not in f"{secret} {secret!r} {[secret]} {find_credentials('h', 'me', secret)}"
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(secret)
    assert "canary" not in repr(HiveService("127.0.0.1", user="me", password="canary"))


def test_import_is_light() -> None:
    code = (
        "import sys, datavore_widgets.client.datahive as d; d.Datahive(); "
        "print([m for m in ('duckdb', 'impala', 'thrift', 'xarray', 'sqlglot', 'pyarrow.parquet') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
