"""What goes wrong on a real server, and what must become of it: a typed error, soon, and never a short table."""

# ruff: noqa: PT012 - these blocks read until the error comes
from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
import requests
from hive_server import HiveServer

from datavore_widgets.client.frames import frame
from datavore_widgets.client.hive import HiveService, UnencryptedConnection
from datavore_widgets.errors import (
    Cancelled,
    DatavoreError,
    DeadlineExceeded,
    InvalidSql,
    InvalidValue,
    ServerError,
    Unreachable,
    Unreadable,
)
from datavore_widgets.protocol.sql import SchemaQuery, SqlJob, SqlQuery

CANARY = "p4ssw0rd-that-must-not-show"
# Hours of work, but for a cancel; in small tasks, since Spark's compiled loops look for a cancel only between them.
ENDLESS = "SELECT count(*) AS c FROM range(0, 4000000000000, 1, 40000) WHERE id * 31 % 7 = 3"
MANY = "SELECT id, cast(id AS string) AS s, id * 0.5D AS x FROM range({})"


def _service(server: HiveServer, **options: Any) -> HiveService:
    return HiveService("127.0.0.1", server.port, user="tester", password=CANARY, **options)


def _in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[BaseException | None]]:
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ended


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def _sockets(server: HiveServer) -> int:
    """Connections from here to the server."""
    connections = psutil.Process().net_connections()
    return sum(1 for connection in connections if connection.raddr and connection.raddr.port == server.port)


def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Unreachable, match=f"nothing listens at 127.0.0.1:{port}"):
        HiveService("127.0.0.1", port, user="a", password=CANARY).answer(SqlQuery("SELECT 1"))


def test_no_such_host() -> None:
    with pytest.warns(UnencryptedConnection, match="ca_cert"):
        service = HiveService("no-such-host.invalid", user="a", password=CANARY)
    with pytest.raises(Unreachable, match=r"there is no host 'no-such-host\.invalid'"):
        service.answer(SqlQuery("SELECT 1"))


@pytest.fixture
def no_room() -> Iterator[int]:
    """A port where nobody takes calls and no more may wait: to a new one there is no answer at all."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port: int = server.getsockname()[1]
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes calls and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def lost_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A name whose look-up does not come back: there is no server of names here that could be made silent."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait() and [])
    yield "localhost"
    over.set()


def test_a_host_that_hears_and_says_nothing(silent: int) -> None:
    with pytest.raises(Unreachable, match="said nothing"):
        HiveService("127.0.0.1", silent, user="a", password=CANARY, timeout=0.3).answer(SqlQuery("SELECT 1"))


def test_a_host_that_does_not_hear(no_room: int) -> None:
    with pytest.raises(Unreachable, match="said nothing"):
        HiveService("127.0.0.1", no_room, user="a", password=CANARY, timeout=0.3).answer(SqlQuery("SELECT 1"))


@pytest.mark.parametrize("how", ["a silent host", "a silent name", "a silent handshake"])
@pytest.mark.parametrize("ended_by", [Cancelled, DeadlineExceeded])
def test_the_way_out_of_connecting(how: str, ended_by: type[DatavoreError], request: pytest.FixtureRequest) -> None:
    """The system would wait for ten seconds, and let nobody interrupt it."""
    host, port, ca_cert = "127.0.0.1", 1, None
    if how == "a silent name":
        host = request.getfixturevalue("lost_name")
    elif how == "a silent host":
        port = request.getfixturevalue("no_room")
    else:
        port, ca_cert = request.getfixturevalue("silent"), requests.certs.where()
    service = HiveService(host, port, user="a", password=CANARY, ca_cert=ca_cert)
    job = SqlJob()
    deadline = 0.3 if ended_by is DeadlineExceeded else None
    thread, ended = _in_thread(lambda: service.answer(SqlQuery("SELECT 1", deadline=deadline), job))
    if ended_by is Cancelled:
        time.sleep(0.2)  # so that it is at it; the test is right, though weaker, if it is not yet
        job.cancel()
    thread.join(6)  # half a second on a quiet machine
    assert isinstance(ended[0], ended_by)


def test_a_name_with_an_address_that_is_silent(
    no_room: int, hive_server: HiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next address of the name has its share of the time."""
    addresses = [("127.0.0.1", no_room), ("127.0.0.1", hive_server.port)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", a) for a in addresses])
    service = HiveService("localhost", 1, user="a", password="b", timeout=5)
    assert frame(service.answer(SqlQuery("SELECT 1 AS a")))["a"].tolist() == [1]


def test_a_host_that_cannot_be_a_name() -> None:
    with pytest.warns(UnencryptedConnection):
        service = HiveService("a" * 80, user="a", password=CANARY)
    with pytest.raises(Unreachable, match="there is no host"):
        service.answer(SqlQuery("SELECT 1"))


def test_another_protocol() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def web() -> None:
            for _ in range(3):
                peer, _ = server.accept()
                with peer:
                    peer.recv(100)
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=web, daemon=True).start()
        service = HiveService("127.0.0.1", server.getsockname()[1], user="a", password=CANARY, timeout=2)
        with pytest.raises(DatavoreError):
            service.answer(SqlQuery("SELECT 1"))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"host": ""}, "host is a name"),
        ({"host": "a b"}, "host is a name"),
        ({"port": 0}, "port is a number"),
        ({"auth_mechanism": "PLANE"}, "did you mean 'PLAIN'"),
        ({"timeout": 0}, "timeout is a number"),
    ],
)
def test_wrong_options(options: dict[str, Any], what: str) -> None:
    with pytest.raises(InvalidValue, match=what):
        HiveService(**{"host": "127.0.0.1", "user": "a", "password": CANARY, **options})


def test_no_certificates(tmp_path: Any) -> None:
    service = HiveService("127.0.0.1", 1, user="a", password=CANARY, ca_cert=str(tmp_path / "none.pem"))
    with pytest.raises(Unreadable, match=r"none\.pem"):
        service.answer(SqlQuery("SELECT 1"))


def test_an_empty_user_is_refused_by_the_server(hive_server: HiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    service = _service(hive_server)
    object.__setattr__(service._credentials, "user", "")
    with pytest.raises(ServerError, match="refused the user") as caught:
        service.answer(SqlQuery("SELECT 1"))
    assert caught.value.code == 401


def test_wrong_database(hive: HiveService) -> None:
    with pytest.raises(InvalidSql, match="nowhere"):
        hive.answer(SqlQuery("SELECT 1", database="nowhere"))
    with pytest.raises(InvalidValue, match="name of a database"):
        SqlQuery("SELECT 1", database="default; DROP TABLE obs")


def test_another_database(hive: HiveService) -> None:
    hive.answer(SqlQuery("CREATE DATABASE IF NOT EXISTS other")).close()
    hive.answer(
        SqlQuery("CREATE TABLE IF NOT EXISTS things USING parquet AS SELECT 7 AS seven", database="other")
    ).close()
    assert frame(hive.answer(SqlQuery("SELECT * FROM things", database="other")))["seven"].tolist() == [7]
    assert list(hive.answer(SchemaQuery("other")).tables) == ["things"]
    assert "things" not in hive.answer(SchemaQuery()).tables


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("SELEC 1", 1, 1), ("SELECT id\nFROM obs\nWHERE nope = 1", 3, 7), ("SELECT *\nFROM no_such_table", 2, 6)],
)
def test_bad_sql_is_told_with_its_place(hive: HiveService, text: str, line: int, column: int) -> None:
    with pytest.raises(InvalidSql) as caught:
        hive.answer(SqlQuery(text))
    assert (caught.value.line, caught.value.column) == (line, column)
    assert "\tat org." not in str(caught.value)
    assert "\n'" not in str(caught.value), "the plan"
    assert "== SQL ==" not in str(caught.value), "the query again"
    assert "Exception" not in str(caught.value)


def test_a_failure_at_work_is_the_servers(hive: HiveService) -> None:
    with pytest.raises(ServerError, match="on purpose"):
        frame(hive.answer(SqlQuery("SELECT raise_error('on purpose') FROM obs")))


def test_statements_without_rows(hive: HiveService) -> None:
    for text in (
        "CREATE TABLE IF NOT EXISTS empty_one (a int) USING parquet",
        "INSERT INTO empty_one VALUES (1), (NULL)",
        "DROP TABLE empty_one",
    ):
        table = hive.answer(SqlQuery(text))
        assert table.columns == ()
        assert frame(table).empty


def test_cancelled_while_it_works(hive_server: HiveServer) -> None:
    job = SqlJob()
    service = _service(hive_server)
    thread, ended = _in_thread(lambda: service.answer(SqlQuery(ENDLESS), job))
    _until(lambda: _sockets(hive_server) > 0)
    time.sleep(1.0)  # so that it is at work; the test is right, though weaker, if it is not yet
    before = time.monotonic()
    job.cancel()
    thread.join(20)
    assert isinstance(ended[0], Cancelled)
    assert time.monotonic() - before < 5  # about 0.1 s on a quiet machine
    _until(lambda: _sockets(hive_server) == 0)
    # The server does the next query at once: the cancelled one no longer keeps its two cores.
    assert frame(service.answer(SqlQuery("SELECT 1 AS a", deadline=30)))["a"].tolist() == [1]


def test_cancelled_before(hive_server: HiveServer) -> None:
    job = SqlJob()
    job.cancel()
    with pytest.raises(Cancelled):
        _service(hive_server).answer(SqlQuery("SELECT 1"), job)


def test_cancelled_between_batches(hive_server: HiveServer) -> None:
    job = SqlJob()
    table = _service(hive_server).answer(SqlQuery(MANY.format(100_000), batch_rows=1000), job)
    seen = 0
    with pytest.raises(Cancelled):
        for batch in table:
            seen += batch.num_rows
            if seen == 5000:
                job.cancel()
    assert seen <= 7000


def test_deadline(hive_server: HiveServer) -> None:
    with pytest.raises(DeadlineExceeded, match="1 s"):
        _service(hive_server).answer(SqlQuery(ENDLESS, deadline=1))


def test_frozen_server(hive_server: HiveServer) -> None:
    """A server that stands still is lost after `timeout`, and is as good as ever when it goes on."""
    table = _service(hive_server, timeout=1.5).answer(SqlQuery(MANY.format(200_000), batch_rows=1000))
    seen = 0
    try:
        with pytest.raises(Unreachable, match="said nothing"):
            for batch in table:
                seen += batch.num_rows
                if seen == 3000:
                    hive_server.signal(signal.SIGSTOP)
    finally:
        hive_server.signal(signal.SIGCONT)
    assert seen < 200_000
    assert frame(_service(hive_server).answer(SqlQuery("SELECT 1 AS a")))["a"].tolist() == [1]


def test_cancelling_on_a_frozen_server(hive_server: HiveServer) -> None:
    """Nothing comes back from it, neither to the question nor to the cancel, and still the wait is over at once."""
    job = SqlJob()
    hive_server.signal(signal.SIGSTOP)
    try:
        thread, ended = _in_thread(lambda: _service(hive_server, timeout=60).answer(SqlQuery("SELECT 1"), job))
        _until(lambda: _sockets(hive_server) > 0)
        job.cancel()
        thread.join(8)  # half a second on a quiet machine; the server's own timeouts would take ten and more
    finally:
        hive_server.signal(signal.SIGCONT)
    assert ended
    assert isinstance(ended[0], Cancelled)


def test_killed_in_mid_fetch(doomed_server: HiveServer) -> None:
    """The rows that came are no table: the loop ends in an error."""
    table = _service(doomed_server).answer(SqlQuery(MANY.format(300_000), batch_rows=2000))
    seen = 0
    with pytest.raises(Unreachable, match=r"was lost"):
        for batch in table:
            seen += batch.num_rows
            if seen == 6000:
                doomed_server.signal(signal.SIGKILL)
                doomed_server.process.wait(20)
    assert 6000 <= seen < 300_000
    with pytest.raises(Unreachable, match="nothing listens"):
        _service(doomed_server).answer(SqlQuery("SELECT 1"))


def test_nothing_is_left_behind(hive_server: HiveServer) -> None:
    """Neither threads nor sockets, whether a table is read, closed early, forgotten or in error."""
    service = _service(hive_server)
    threads = threading.active_count()
    list(service.answer(SqlQuery("SELECT 1")))
    service.answer(SqlQuery(MANY.format(50_000), batch_rows=100)).close()
    forgotten = iter(service.answer(SqlQuery(MANY.format(50_000), batch_rows=100)))
    next(forgotten)
    del forgotten
    with pytest.raises(InvalidSql):
        service.answer(SqlQuery("SELEC"))
    _until(lambda: _sockets(hive_server) == 0 and threading.active_count() <= threads)


def test_queue_is_sent_under_the_documented_names(hive_server: HiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from datavore_widgets.client.hive_connection import HiveConnection

    sent: list[Any] = []
    execute = HiveConnection.execute

    def spy(self: HiveConnection, text: str, configuration: Any) -> Any:
        sent.append((text, dict(configuration)))
        return execute(self, text, configuration)

    monkeypatch.setattr(HiveConnection, "execute", spy)
    list(_service(hive_server).answer(SqlQuery("SELECT 1", queue="ocean")))
    assert sent == [
        ("SELECT 1", {"tez.queue.name": "ocean", "mapred.job.queue.name": "ocean", "mapreduce.job.queue.name": "ocean"})
    ]


def test_log_lines_and_rows(hive_server: HiveServer) -> None:
    lines: list[str] = []
    job = SqlJob(on_line=lines.append)
    table = _service(hive_server).answer(SqlQuery("SELECT count(*) AS c FROM obs GROUP BY k"), job)
    assert frame(table).shape == (4, 1)
    assert job.rows == 4
    assert any("SparkExecuteStatementOperation" in line for line in lines)


def test_the_password_does_not_show(
    hive_server: HiveServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    service = _service(hive_server)
    list(service.answer(SqlQuery("SELECT 1")))
    with pytest.raises(InvalidSql) as caught:
        service.answer(SqlQuery("SELEC"))
    gone = HiveService("127.0.0.1", 1, user="a", password=CANARY)
    with pytest.raises(Unreachable) as lost:
        gone.answer(SqlQuery("SELECT 1"))
    shown = [
        repr(service),
        repr(vars(service)),
        str(caught.value),
        repr(lost.value),
        caplog.text,
        str(dict(os.environ)),
    ]
    assert not [text for text in shown if CANARY in text]


@pytest.mark.slow
def test_five_million_rows_in_bounds(large_server: HiveServer) -> None:
    """Read in batches, a big result costs the client the size of a few batches."""
    own = psutil.Process()
    before = own.memory_info().rss
    most = seen = 0
    columns = "id, timestamp_seconds(1325376000 + id) AS t, id * 0.5D AS x, cast(id AS string) AS s"
    query = f"SELECT {columns} FROM range(5000000)"
    for batch in _service(large_server, timeout=300).answer(SqlQuery(query)):
        seen += batch.num_rows
        most = max(most, own.memory_info().rss)
    assert seen == 5_000_000
    assert most - before < 300e6
