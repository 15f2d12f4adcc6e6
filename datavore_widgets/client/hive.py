"""HiveQL asked of a HiveServer2: Hive, or Spark's Thrift server."""

from __future__ import annotations

import ipaddress
import logging
import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, overload

from datavore_widgets.client.credentials import Secret, find_credentials
from datavore_widgets.client.literals import bind
from datavore_widgets.errors import (
    Cancelled,
    DatavoreError,
    DeadlineExceeded,
    InvalidValue,
    NotSupported,
    ServerError,
    did_you_mean,
)
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.sql import Column, Schema, SchemaQuery, SqlJob, SqlQuery, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from datavore_widgets.client.columns import ColumnReader
    from datavore_widgets.client.hive_connection import HiveConnection

__all__ = ["QUEUE_KEYS", "HiveService", "UnencryptedConnection"]

log = logging.getLogger(__name__)

MECHANISMS = ("PLAIN", "LDAP", "NOSASL", "GSSAPI")
QUEUE_KEYS = ("tez.queue.name", "mapred.job.queue.name", "mapreduce.job.queue.name")
"""Under which the queue is sent; each engine below Hive knows one of them."""

_IN_FLIGHT = 2  # requests for rows: the server works on one batch while the other is read here
_CANCEL_GRACE = 0.5  # seconds that a server has to obey before its connection is cut
_LOG_INTERVAL = 0.5


class UnencryptedConnection(UserWarning):
    """A password and data travel unencrypted beyond this machine."""


class HiveService:
    """A HiveServer2, asked over a connection of its own for each question.

    Parameters
    ----------
    host : str
        Name or address.
    port : int
        10000 unless the site chose another.
    auth_mechanism : {'PLAIN', 'LDAP', 'NOSASL', 'GSSAPI'}
        GSSAPI is Kerberos, and needs a ticket to be there.
    user, password : str, optional
        Where not given they are found as `find_credentials` says. A server without authentication takes any password.
    ca_cert : str, optional
        File (PEM) of the authority that signed the server's certificate: the connection is then TLS, and the host's
        name is checked. Without it a connection beyond this machine warns.
    kerberos_service_name : str
        First part of the server's Kerberos principal.
    timeout : float
        Seconds without a word of the server after which it counts as lost; longer than the server's long poll (5 s
        unless the site chose another). Not how long a query may take: that is the query's `deadline`.

    Examples
    --------
    >>> HiveService("hive.example.org", user="me", password="never shown", ca_cert="ca.pem")
    HiveService('hive.example.org', 10000, user='me', tls=True)
    """

    def __init__(
        self,
        host: str,
        port: int = 10000,
        *,
        auth_mechanism: str = "PLAIN",
        user: str | None = None,
        password: str | Secret | None = None,
        ca_cert: str | None = None,
        kerberos_service_name: str = "hive",
        timeout: float = 60.0,
    ) -> None:
        if not isinstance(host, str) or not re.fullmatch(r"[\w.\-:]+", host):
            raise InvalidValue(f"host is a name or an address such as 'hive.example.org', not {host!r}")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise InvalidValue(f"port is a number from 1 to 65535, not {port!r}")
        if auth_mechanism not in MECHANISMS:
            message, near = did_you_mean("auth_mechanism", auth_mechanism, MECHANISMS)
            raise InvalidValue(f"{message} (allowed: {', '.join(MECHANISMS)})", suggestions=near)
        if not timeout > 0:
            raise InvalidValue(f"timeout is a number of seconds above 0, not {timeout!r}")
        self.host, self.port, self.auth_mechanism = host, port, auth_mechanism
        self.ca_cert, self.kerberos_service_name, self.timeout = ca_cert, kerberos_service_name, timeout
        self._credentials = find_credentials(host, user, password)
        if ca_cert is None and not _is_loopback(host):
            warnings.warn(
                f"the connection to {host} is not encrypted; give ca_cert, the certificate of the site's authority",
                UnencryptedConnection,
                stacklevel=2,
            )

    def __repr__(self) -> str:
        tls = self.ca_cert is not None
        return f"HiveService({self.host!r}, {self.port}, user={self._credentials.user!r}, tls={tls})"

    @overload
    def answer(self, query: SqlQuery, job: Job | None = None) -> Table: ...
    @overload
    def answer(self, query: SchemaQuery, job: Job | None = None) -> Schema: ...
    def answer(self, query: SqlQuery | SchemaQuery, job: Job | None = None) -> Table | Schema:
        """The answer to a query; to a `SqlQuery` as soon as the statement is done, its rows still to come.

        Connecting is tried three times; a statement is never sent twice.

        Raises
        ------
        InvalidSql
            When the server does not understand the query, or knows no such table or column.
        Unreachable
            When there is no connection, or it is lost, or the server is silent for `timeout`; never a short table.
        DeadlineExceeded
            When the query's deadline is over.
        ServerError
            When the server fails at the query, or refuses the user (code 401).
        Cancelled
            Within about a second of the job's `cancel`.
        """
        if isinstance(query, SqlQuery):
            return _Statement(self, query, job).run()
        if isinstance(query, SchemaQuery):
            return _schema(_Statement(self, query, job).run())
        raise NotSupported(f"a Hive server answers SqlQuery and SchemaQuery, not {type(query).__name__}")

    def close(self) -> None:
        """Nothing is held between questions."""

    def connection(self, timeout: float) -> HiveConnection:
        """A connection with a session of its own, still to be opened."""
        from datavore_widgets.client.hive_connection import HiveConnection  # impyla loads when it is asked for

        return HiveConnection(
            self.host,
            self.port,
            auth_mechanism=self.auth_mechanism,
            credentials=self._credentials,
            ca_cert=self.ca_cert,
            kerberos_service_name=self.kerberos_service_name,
            timeout=timeout,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _schema(table: Table) -> Schema:
    tables: dict[str, list[Column]] = {}
    for batch in table:
        for row in batch.to_pylist():
            tables.setdefault(row["TABLE_NAME"], []).append(Column(row["COLUMN_NAME"], row["TYPE_NAME"].lower()))
    return Schema({name: tuple(columns) for name, columns in sorted(tables.items())})


class _Statement:
    """One statement, from its start to its last row."""

    def __init__(self, service: HiveService, query: SqlQuery | SchemaQuery, job: Job | None) -> None:
        self._service, self._query, self._job = service, query, job or Job()
        self._is_heard = job is not None
        self._connection: HiveConnection | None = None
        self._handle: Any = None
        self._unread = 0
        self._watch: _Watch | None = None

    def run(self) -> Table:
        deadline = self._query.deadline if isinstance(self._query, SqlQuery) else None
        self._job.check()
        try:
            self._connection = self._service.connection(self._service.timeout)
            self._watch = _Watch(self._job, deadline, self._cancel)  # of a connection that it can cut, if it must
            self._connection.open()
            self._handle = self._start()
            self._wait()
            columns, batches = self._result()
        except BaseException as error:
            self._fail(error)
            raise
        return Table(columns, batches, self._end)

    def _start(self) -> Any:
        connection, query = self._connected, self._query
        if isinstance(query, SchemaQuery):
            return connection.columns_of(query.database)
        text = bind(query).strip().rstrip(";")
        if query.database != "default":
            self._handle = connection.execute(f"USE `{query.database}`", {})
            self._wait()
            self._close_operation()
        configuration = {} if query.queue is None else dict.fromkeys(QUEUE_KEYS, query.queue)
        return connection.execute(text, configuration)

    @property
    def _connected(self) -> HiveConnection:
        if self._connection is None:
            raise Cancelled("the statement is over")
        return self._connection

    def _wait(self) -> None:
        """Until the statement is done; where the server answers at once and not late (its long poll), we slow down."""
        from impala import hiveserver2 as hs2

        from datavore_widgets.client.hive_connection import sql_error

        state = hs2.TOperationState
        pause, logged = 0.005, time.monotonic()
        while True:
            self._check()
            asked = time.monotonic()
            reply = self._connected.call("GetOperationStatus", hs2.TGetOperationStatusReq(operationHandle=self._handle))
            if reply.operationState == state.FINISHED_STATE:
                self._read_log()
                if reply.hasResultSet is not None:
                    self._handle.hasResultSet = reply.hasResultSet
                return
            if reply.operationState == state.ERROR_STATE:
                raise sql_error(reply.errorMessage, reply.sqlState)
            if reply.operationState in (state.CANCELED_STATE, state.CLOSED_STATE):
                self._check()
                raise ServerError("the statement was ended on the server, not from here")
            if time.monotonic() - logged > _LOG_INTERVAL:
                self._read_log()
                logged = time.monotonic()
            time.sleep(max(0.0, asked + pause - time.monotonic()))
            pause = min(0.2, 1.5 * pause)

    def _read_log(self) -> None:
        """Pass new lines of the operation's log on; a server that keeps none is no error."""
        if not self._is_heard:
            return
        from impala import hiveserver2 as hs2

        request = hs2.TFetchResultsReq(
            operationHandle=self._handle, orientation=hs2.TFetchOrientation.FETCH_NEXT, maxRows=1000, fetchType=1
        )
        with suppress(ServerError):
            reply = self._connected.call("FetchResults", request)
            for line in reply.results.columns[0].stringVal.values if reply.results.columns else ():
                text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
                if isinstance(self._job, SqlJob):
                    self._job.tell(text)
                done = log_fraction(text)
                if done is not None:
                    self._job.progress(round(1000 * done), 1000)

    def _result(self) -> tuple[tuple[Column, ...], Iterator[pa.RecordBatch]]:
        """The columns, and the batches; the first is fetched here, as only it shows that there are columns at all."""
        from impala import hiveserver2 as hs2

        from datavore_widgets.client.columns import has_nested, read_batch, readers

        if not self._handle.hasResultSet:
            self._end()
            return (), iter(())
        connection = self._connected
        request = hs2.TGetResultSetMetadataReq(operationHandle=self._handle)
        described = connection.call("GetResultSetMetadata", request).schema.columns
        nested = "spark" if has_nested(described) and connection.is_spark() else "hive"
        columns = readers(described, nested)
        self._ask()
        reply = connection.receive_rows()
        self._unread -= 1
        if not reply.columns and [column.column.name for column in columns] == ["Result"]:
            self._end()  # what DDL and INSERT announce, and never send
            return (), iter(())
        return tuple(column.column for column in columns), self._batches(
            columns, read_batch(columns, reply.columns), reply.has_more
        )

    def _ask(self) -> None:
        from impala import hiveserver2 as hs2

        rows = self._query.batch_rows if isinstance(self._query, SqlQuery) else 10_000
        request = hs2.TFetchResultsReq(
            operationHandle=self._handle, orientation=hs2.TFetchOrientation.FETCH_NEXT, maxRows=rows
        )
        while self._unread < _IN_FLIGHT:
            self._connected.send("FetchResults", request)
            self._unread += 1

    def _batches(
        self, columns: tuple[ColumnReader, ...], batch: pa.RecordBatch, more: bool
    ) -> Iterator[pa.RecordBatch]:
        """From the first batch, which is given though it be empty, to the empty one that is the end."""
        from datavore_widgets.client.columns import read_batch

        yield batch
        try:
            while batch.num_rows or more:
                self._check()
                if isinstance(self._job, SqlJob):
                    self._job.rows += batch.num_rows
                self._ask()
                reply = self._connected.receive_rows()
                self._unread -= 1
                more = reply.has_more
                batch = read_batch(columns, reply.columns)
                if batch.num_rows:
                    yield batch
        except GeneratorExit:
            raise
        except BaseException as error:
            self._fail(error)
            raise

    def _check(self) -> None:
        if self._watch is not None:
            self._watch.check()

    def _fail(self, error: BaseException) -> None:
        """End, and raise what went wrong in truth: a connection that we cut was not lost."""
        self._end()
        reason = self._watch.reason if self._watch is not None else None
        if reason is not None and reason is not error:
            raise reason from error

    def _cancel(self) -> None:
        """Ask the server over a second connection, and cut the first one if that is no help; in the watching thread."""
        connection, handle = self._connection, self._handle
        if connection is None:
            return
        if not connection.has_session:  # nothing was asked yet
            connection.cut()
            return
        cutting = threading.Timer(_CANCEL_GRACE, connection.cut)
        cutting.start()
        if handle is None:
            return
        from impala import hiveserver2 as hs2

        try:
            second = self._service.connection(timeout=2.0)
            try:
                second.open()
                second.call("CancelOperation", hs2.TCancelOperationReq(operationHandle=handle))
            finally:
                second.close()
        except DatavoreError as error:
            log.debug("the statement could not be cancelled on the server: %s", error)

    def _end(self) -> None:
        """Close the operation, the session and the connection, whatever state they are in."""
        if self._watch is not None:
            self._watch.stop()
        connection = self._connection
        if connection is None:
            return
        connection.hurry()
        with suppress(DatavoreError):
            while self._unread and not connection.broken:
                self._unread -= 1
                connection.receive_rows()
            self._close_operation()
        self._connection = None
        connection.close()

    def _close_operation(self) -> None:
        from impala import hiveserver2 as hs2

        handle, self._handle = self._handle, None
        if handle is not None and not self._connected.broken:
            self._connected.call("CloseOperation", hs2.TCloseOperationReq(operationHandle=handle))


class _Watch(threading.Thread):
    """Looks after a statement whose own thread waits for the server: cancelled meanwhile, or out of time."""

    def __init__(self, job: Job, deadline: float | None, act: Any) -> None:
        super().__init__(name="datavore-hive-watch", daemon=True)
        self._job, self._act = job, act
        self._seconds = deadline
        self._end = None if deadline is None else time.monotonic() + deadline
        self._over = threading.Event()
        self.reason: DatavoreError | None = None
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.05):
            self._look()
            if self.reason is not None:
                self._act()
                return

    def _look(self) -> None:
        if self._job.cancelled:
            self.reason = Cancelled("the query was cancelled")
        elif self._end is not None and time.monotonic() > self._end:
            self.reason = DeadlineExceeded(f"the query was ended after the {self._seconds:g} s of its deadline")

    def check(self) -> None:
        """Raise the reason to stop, if there is one."""
        if self.reason is None:
            self._look()
        if self.reason is not None:
            raise self.reason

    def stop(self) -> None:
        self._over.set()


_STAGE = re.compile(r"map = (\d+)%,\s*reduce = (\d+)%")
_VERTEX = re.compile(r"(?:Map|Reducer) \d+: (-|\d+)(?:\([^)]*\))?/(-|\d+)")


def log_fraction(line: str) -> float | None:
    r"""How much of a stage is done, by a line of Hive's log (MapReduce's or Tez'); None if it does not say.

    Examples
    --------
    >>> log_fraction("2026-01-01 00:00:00,000 Stage-1 map = 50%,  reduce = 0%")
    0.25
    >>> log_fraction("Map 1: 3(+1)/4\tReducer 2: 0/1")
    0.6
    """
    stage = _STAGE.search(line)
    if stage:
        return (int(stage[1]) + int(stage[2])) / 200
    vertices = [(int(done), int(total)) for done, total in _VERTEX.findall(line) if done != "-" and total != "-"]
    total = sum(total for _, total in vertices)
    return sum(done for done, _ in vertices) / total if total else None
