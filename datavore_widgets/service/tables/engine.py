"""`TableService`: HiveQL over Parquet and CSV files, answered by DuckDB in this process."""

from __future__ import annotations

import fnmatch
import logging
import os
import re
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self, overload

import duckdb
import pyarrow as pa

from datavore_widgets.errors import (
    Cancelled,
    DatavoreError,
    DeadlineExceeded,
    InvalidSql,
    InvalidValue,
    NotSupported,
    ServerError,
    TooLarge,
    UnknownName,
    Unreadable,
    did_you_mean,
)
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.sql import Column, Schema, SchemaQuery, SqlJob, SqlQuery, Table, replace_parameters
from datavore_widgets.service.tables.catalogue import Source, find_tables
from datavore_widgets.service.tables.dialect import Statement, macro_definitions, translate
from datavore_widgets.service.tables.macros import REFUSED_MARK

__all__ = ["TableService"]

log = logging.getLogger(__name__)


class TableService:
    """Tables over files, asked in HiveQL.

    No file but those of the tables can be read: names of functions and tables are looked up before DuckDB sees a
    query, and DuckDB itself is locked to the tables' folders.

    Parameters
    ----------
    spec : str, path, list of them, or mapping of name to them, optional
        See `find_tables`; None is the built-in sample, a table `fleet` of synthetic drifters.
    writable : bool
        Whether CREATE TABLE … AS, CREATE VIEW, INSERT and DROP are allowed; what they make lives in memory, as long
        as the service. Files are never written.
    memory_limit : str
        As DuckDB has it, such as `"2GB"`; what does not fit is put into temporary files.
    threads : int, optional
        DuckDB's; every core unless given.

    Examples
    --------
    >>> with TableService() as service:  # doctest: +SKIP
    ...     table = service.answer(SqlQuery("SELECT count(*) AS rows FROM fleet"))
    """

    def __init__(
        self, spec: Any = None, *, writable: bool = False, memory_limit: str = "2GB", threads: int | None = None
    ) -> None:
        if spec is None:
            from datavore_widgets.service.fleet import fleet_path

            spec = {"fleet": fleet_path()}
        if not isinstance(memory_limit, str) or not re.fullmatch(r"\d+ ?[KMGT]i?B", memory_limit):
            raise InvalidValue(f"memory_limit is a number of bytes such as '2GB', not {memory_limit!r}")
        self._sources = find_tables(spec)
        self._writable = writable
        self._made: set[str] = set()
        self._viewed: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._scratch = tempfile.mkdtemp(prefix="datavore-sql-")
        # Whoever asks once and goes closes nothing: the folder goes with the service, at the latest with the process.
        self._tidy = weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._engine = _locked_engine(self._sources, self._scratch, memory_limit, threads)

    def __repr__(self) -> str:
        return f"TableService({', '.join(sorted(self._sources))})"

    def close(self) -> None:
        """Forget the tables that were made, and the temporary files."""
        self._engine.close()
        self._tidy()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @overload
    def answer(self, query: SqlQuery, job: Job | None = None) -> Table: ...
    @overload
    def answer(self, query: SchemaQuery, job: Job | None = None) -> Schema: ...
    def answer(self, query: SqlQuery | SchemaQuery, job: Job | None = None) -> Table | Schema:
        """The answer to a query; to a `SqlQuery` with the rows still to come.

        Raises
        ------
        InvalidSql
            When the query is not understood, or names what is not there.
        NotSupported
            When it would mean something else here than on a Hive server, or is not allowed.
        Unreadable
            When a file of a table is damaged or gone.
        TooLarge
            When memory and temporary files are used up.
        DeadlineExceeded, Cancelled
            When the query's deadline is over, or its job was cancelled.
        """
        job = job or Job()
        job.check()
        if isinstance(query, SchemaQuery):
            return self._schema(query)
        if isinstance(query, SqlQuery):
            return self._run(query, job)
        raise NotSupported(f"tables over files answer SqlQuery and SchemaQuery, not {type(query).__name__}")

    def _names(self) -> dict[str, Any]:
        return {**self._sources, **dict.fromkeys(self._made)}

    def _schema(self, query: SchemaQuery) -> Schema:
        """The tables with their columns; one whose files cannot be read is there without any, beside others."""
        _check_database(query.database)
        columns: dict[str, tuple[Column, ...]] = {}
        failure: Unreadable | None = None
        for name in sorted(self._names()):
            try:
                columns[name] = self._columns(name)
            except Unreadable as error:
                log.warning("%s", error)
                columns[name], failure = (), error
        if failure is not None and not any(columns.values()):
            raise failure
        return Schema(columns)

    def _columns(self, name: str) -> tuple[Column, ...]:
        if name not in self._names():
            message, near = did_you_mean("table", name, self._names())
            raise InvalidSql(message, suggestions=near)
        self._view([name])
        with self._engine.cursor() as cursor, _told():
            described = cursor.execute(f'DESCRIBE "{name}"').fetchall()
        return tuple(Column(row[0], _hive_type(row[1])) for row in described)

    def _run(self, query: SqlQuery, job: Job) -> Table:
        _check_database(query.database)
        values = dict(query.parameters)
        text = replace_parameters(query.text, values, lambda name: f":{name}")
        with self._lock:
            statement = translate(text, self._names(), writable=self._writable)
        if not statement.sql:
            return self._from_catalogue(statement)
        self._view(statement.reads)
        cursor = self._engine.cursor()
        watch = _Watch(job, query.deadline, cursor)
        try:
            with _told():
                if statement.kind == "write":
                    cursor.execute(statement.sql, values or None)
                    self._after_write(statement)
                    watch.stop()
                    cursor.close()
                    return Table((), iter(()))
                result = cursor.sql(statement.sql, params=values or None)
                reader = result.to_arrow_reader(query.batch_rows)
            columns = tuple(
                Column(name, _hive_type(str(kind))) for name, kind in zip(result.columns, result.types, strict=True)
            )
        except BaseException as error:
            watch.stop()
            cursor.close()
            watch.tell(error)
            raise

        def end() -> None:
            watch.stop()
            cursor.close()

        return Table(columns, _batches(reader, columns, watch, job), end)

    def _after_write(self, statement: Statement) -> None:
        with self._lock:
            if statement.makes:
                self._made.add(statement.makes)
            if statement.drops:
                self._made.discard(statement.drops)

    def _view(self, names: Iterable[str]) -> None:
        """Bring the views of these tables up to date with the files that there are now."""
        with self._lock:
            for name in names:
                source = self._sources.get(name)
                if source is None:
                    continue
                try:
                    form, files = source.files()
                except OSError as error:
                    if isinstance(error, DatavoreError):
                        raise
                    raise Unreadable(f"the files of {name!r} cannot be listed: {error}") from error
                if self._viewed.get(name) != files:
                    listed = ", ".join(_quoted(path) for path, _, _ in files)
                    options = f"hive_partitioning={bool(source.partitions())}, union_by_name=true"
                    rows = f"read_{form}([{listed}], {options})"
                    with self._engine.cursor() as cursor, _told():
                        # The name is one of letters, digits and _; the paths are quoted.
                        cursor.execute(f'CREATE OR REPLACE VIEW "{name}" AS SELECT * FROM {rows}')  # noqa: S608
                    self._viewed[name] = files

    def _from_catalogue(self, statement: Statement) -> Table:
        kind, about = statement.kind, statement.about
        if kind == "use":
            return Table((), iter(()))
        if kind == "databases":
            return _table(["database_name"], [("default",)])
        if kind == "tables":
            pattern = about.lower().replace("%", "*") or "*"
            return _table(["tab_name"], [(name,) for name in sorted(self._names()) if fnmatch.fnmatch(name, pattern)])
        columns = self._columns(about.lower())
        if kind == "columns":
            return _table(["col_name", "data_type", "comment"], [(item.name, item.type, "") for item in columns])
        if kind == "names":
            return _table(["field"], [(item.name,) for item in columns])
        source = self._sources.get(about.lower())
        partitions = source.partitions() if source else []
        if not partitions:
            raise InvalidSql(f"the table {about!r} has no partitions")
        return _table(["partition"], [(name,) for name in partitions])


def _locked_engine(
    sources: dict[str, Source], scratch: str, memory_limit: str, threads: int | None
) -> duckdb.DuckDBPyConnection:
    """A database in memory that reaches the tables' files and its own temporary folder, and nothing else."""
    engine = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "python_enable_replacements": "false",
            "temp_directory": scratch,
            "memory_limit": memory_limit,
        },
    )
    for definition in macro_definitions():
        engine.execute(definition)
    roots = [root for source in sources.values() for root in source.roots]
    folders = [str(root) + os.sep for root in roots if root.is_dir()]
    files = [str(root) for root in roots if not root.is_dir()]
    engine.execute("SET TimeZone = 'UTC'")
    if threads is not None:
        engine.execute(f"SET threads = {int(threads)}")
    for option, paths in (("allowed_directories", folders), ("allowed_paths", files)):
        engine.execute(f"SET {option} = [{', '.join(_quoted(path) for path in paths)}]")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _check_database(name: str) -> None:
    if name != "default":
        raise UnknownName(f"there is one database over files, 'default', not {name!r}", suggestions=["default"])


@contextmanager
def _told() -> Iterator[None]:
    """Errors of DuckDB become ours."""
    try:
        yield
    except duckdb.Error as error:
        raise _error(error) from error


def _error(error: duckdb.Error) -> DatavoreError:
    message = str(error)
    first = message.split("\n\n")[0].split("\nLINE ")[0]
    if REFUSED_MARK in message:
        return NotSupported(REFUSED_MARK + message.split(REFUSED_MARK, 1)[1].split("\n")[0])
    if isinstance(error, duckdb.InterruptException):
        return Cancelled("the query was cancelled")
    if isinstance(error, duckdb.OutOfMemoryException):
        return TooLarge(f"the query needs more memory than it may have ({first}); ask for fewer rows or groups")
    if isinstance(error, duckdb.IOException | duckdb.PermissionException):
        return Unreadable(first)
    if isinstance(error, duckdb.ParserException | duckdb.BinderException | duckdb.CatalogException):
        return InvalidSql(first)
    if isinstance(error, duckdb.InvalidInputException) and ("parquet" in message.lower() or "csv" in message.lower()):
        return Unreadable(first)
    return ServerError(f"the engine failed: {first}")


class _Watch(threading.Thread):
    """Interrupts the engine when the job is cancelled or the deadline is over, and tells how far it is."""

    def __init__(self, job: Job, deadline: float | None, cursor: duckdb.DuckDBPyConnection) -> None:
        super().__init__(name="datavore-sql-watch", daemon=True)
        self._job, self._cursor, self._seconds = job, cursor, deadline
        self._end = None if deadline is None else time.monotonic() + deadline
        self._over = threading.Event()
        self.reason: DatavoreError | None = None
        self.start()

    def run(self) -> None:
        # The service may be closed under a result that nobody read to its end: then there is nothing to look after.
        with suppress(duckdb.ConnectionException):
            self._watch()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            if self._look() is not None:
                self._cursor.interrupt()
                return
            percent = self._cursor.query_progress()
            if 0 <= percent <= 100:
                try:
                    self._job.progress(round(10 * percent), 1000)
                except Cancelled:
                    continue

    def _look(self) -> DatavoreError | None:
        if self.reason is None:
            if self._job.cancelled:
                self.reason = Cancelled("the query was cancelled")
            elif self._end is not None and time.monotonic() > self._end:
                self.reason = DeadlineExceeded(f"the query was ended after the {self._seconds:g} s of its deadline")
        return self.reason

    def check(self) -> None:
        """Raise the reason to stop, if there is one."""
        reason = self._look()
        if reason is not None:
            raise reason

    def tell(self, error: BaseException) -> None:
        """Raise the reason in place of the error that it led to."""
        if self.reason is not None and self.reason is not error:
            raise self.reason from error

    def stop(self) -> None:
        """End before the cursor is closed."""
        self._over.set()
        if threading.current_thread() is not self:
            self.join()


def _batches(
    reader: pa.RecordBatchReader, columns: tuple[Column, ...], watch: _Watch, job: Job
) -> Iterator[pa.RecordBatch]:
    empty = True
    try:
        while True:
            watch.check()
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
            empty = False
            if isinstance(job, SqlJob):
                job.rows += batch.num_rows
            yield _plain(batch, columns)
    except GeneratorExit:
        raise
    except BaseException as error:
        watch.tell(error)
        if isinstance(error, pa.ArrowException | OSError | duckdb.Error) and not isinstance(error, DatavoreError):
            raise _error(error if isinstance(error, duckdb.Error) else duckdb.Error(str(error))) from error
        raise
    if empty:
        yield _plain(pa.RecordBatch.from_pylist([], schema=reader.schema), columns)


def _plain(batch: pa.RecordBatch, columns: tuple[Column, ...]) -> pa.RecordBatch:
    """The batch in the types that a Hive server has."""
    arrays = [_plain_array(array, column.type) for array, column in zip(batch.columns, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def _plain_array(array: pa.Array, hive: str) -> pa.Array:
    wanted = _ARROW.get(hive)
    if wanted is None or array.type == wanted:
        return array
    try:
        if pa.types.is_timestamp(array.type) and array.type.tz is not None:
            array = array.cast(pa.timestamp(array.type.unit))  # both are UTC
        return array.cast(wanted)
    except pa.ArrowInvalid as error:
        raise TooLarge(
            f"a value does not fit into Hive's {hive} ({error}); cast it to decimal(38, 0) or double"
        ) from error


_ARROW: dict[str, pa.DataType] = {
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "binary": pa.binary(),
}
_HIVE_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "UTINYINT": "smallint",
    "SMALLINT": "smallint",
    "USMALLINT": "int",
    "INTEGER": "int",
    "UINTEGER": "bigint",
    "BIGINT": "bigint",
    "UBIGINT": "bigint",
    "HUGEINT": "bigint",
    "UHUGEINT": "bigint",
    "FLOAT": "float",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "UUID": "string",
    "DATE": "date",
    "BLOB": "binary",
    '"NULL"': "void",
    "NULL": "void",
}


def _hive_type(name: str) -> str:
    """Hive's word for a type of DuckDB."""
    if name in _HIVE_TYPES:
        return _HIVE_TYPES[name]
    if name.startswith("TIMESTAMP"):
        return "timestamp"
    if name.startswith("ENUM"):
        return "string"
    if name.endswith("[]"):
        return f"array<{_hive_type(name[:-2])}>"
    if name.startswith("DECIMAL"):
        return name.lower()
    return name.lower().replace("varchar", "string").replace("integer", "int")


def _table(names: list[str], rows: list[tuple[str, ...]]) -> Table:
    columns = tuple(Column(name, "string") for name in names)
    arrays = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(names))]
    return Table(columns, iter([pa.RecordBatch.from_arrays(arrays, names=names)]))
