"""The documented class that asks in HiveQL."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datavore_widgets.client.base import exact_keywords
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.sql import Schema, SchemaQuery, SqlQuery, SqlService, Table, parse_parameters

__all__ = ["Datahive"]

log = logging.getLogger(__name__)


class Datahive:
    """SQL (HiveQL) over a Hive warehouse, or over files of one's own, with pandas for results.

    Which one answers: the `host` of the call; else the `service` given here; else the host in `DATAHIVE_HOST`; else
    the built-in sample, a table `fleet` of synthetic drifters. What is not given of `user`, `password` and
    `queue_name` is looked up in `DATAHIVE_USER`, `DATAHIVE_PASSWORD` (or the keyring) and `DATAHIVE_QUEUE`.

    Parameters
    ----------
    service : str, path, list of them, mapping of name to them, or a service, optional
        A Parquet or CSV file or a folder of them is a table; a folder of folders is a table each. Or whoever answers
        `SqlQuery`, such as `HiveService` and `TableService`.

    Examples
    --------
    >>> hive = Datahive()
    >>> hive.executeQuery("SELECT count(DISTINCT id) AS drifters FROM fleet").iloc[0, 0]  # doctest: +SKIP
    500
    """

    def __init__(
        self, service: str | Path | Sequence[str | Path] | Mapping[str, str | Path] | SqlService | None = None
    ) -> None:
        self._spec = service
        self._embedded: SqlService | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self._spec is None else repr(self._spec)})"

    def answer(self, query: SqlQuery | SchemaQuery, job: Job | None = None) -> Any:
        """The answer of the service that `executeQuery` without a `host` asks: `Table` or `Schema`."""
        return self._service(None, 10000).answer(query, job)

    @exact_keywords
    def executeQuery(
        self,
        query: str,
        host: str | None = None,
        port: int = 10000,
        auth_mechanism: str = "PLAIN",
        user: str | None = None,
        password: str | None = None,
        database: str = "default",
        output_pandas: bool = True,
        queue_name: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        batch_rows: int | None = None,
        timeout: float = 60.0,
        deadline: float | None = None,
        ca_cert: str | None = None,
        kerberos_service_name: str = "hive",
        job: Job | None = None,
    ) -> Any:
        """The result of a statement in HiveQL: a DataFrame, or a list of tuples; with `batch_rows` many of them.

        Parameters
        ----------
        query : str
            One statement. DDL and INSERT give an empty result.
        host, port, auth_mechanism, user, password
            Of the HiveServer2 (see `HiveService`); the class says what stands in for what is not given.
        database : str
            That table names without one belong to.
        output_pandas : bool
            A DataFrame (see `frames.frame` for the types of its columns), else a list of tuples.
        queue_name : str, optional
            The cluster's queue that the statement runs in.
        parameters : mapping, optional
            Values for `:name` in the query: text, bytes, numbers, bools, dates, datetimes, None. They cannot change
            what the query does.
        batch_rows : int, optional
            Give an iterator of results of as many rows, for what does not fit into memory.
        timeout : float
            Seconds that the server may be silent before it counts as lost.
        deadline : float, optional
            Seconds that the whole may take; then it is cancelled on the server.
        ca_cert : str, optional
            File of the certificate authority, for TLS; else `DATAHIVE_CA_CERT`.
        kerberos_service_name : str
            For `auth_mechanism="GSSAPI"`.
        job : Job, optional
            A handle for progress (`SqlJob` for the server's log lines too) and for cancelling from another thread.

        Raises
        ------
        InvalidSql
            When the query is wrong, or names what is not there.
        Unreachable, DeadlineExceeded, ServerError, Cancelled
            As `HiveService.answer` says; never a short table.
        """
        service = self._service(host, port, auth_mechanism, user, password, ca_cert, kerberos_service_name, timeout)
        asked = SqlQuery(
            query,
            parse_parameters(parameters),
            database,
            queue_name or os.environ.get("DATAHIVE_QUEUE"),
            deadline=deadline,
            **({} if batch_rows is None else {"batch_rows": batch_rows}),
        )
        return _shaped(service.answer(asked, job), output_pandas, batches=batch_rows is not None)

    @exact_keywords
    def executeQueryPYHS2(
        self,
        query: str,
        host: str | None = None,
        port: int = 10000,
        authMechanism: str = "PLAIN",
        user: str | None = None,
        password: str | None = None,
        database: str = "default",
    ) -> list[tuple[Any, ...]]:
        """The result of a statement as a list of tuples.

        Once a slow road of its own, over the package pyhs2, which is no longer kept; now the road of `executeQuery`.
        """
        log.info("executeQueryPYHS2 asks as executeQuery does: pyhs2 is no longer used")
        rows: list[tuple[Any, ...]] = self.executeQuery(
            query, host, port, authMechanism, user, password, database, output_pandas=False
        )
        return rows

    def explain(self, query: str, **options: Any) -> str:
        """The plan that the engine has for a query, as text: what it would read and do, before it does.

        `options` are those of `executeQuery`.
        """
        rows = self.executeQuery("EXPLAIN " + query, output_pandas=False, **options)
        return "\n".join(str(row[-1]) for row in rows)

    def tables(self, database: str = "default", host: str | None = None, port: int = 10000, **options: Any) -> Schema:
        """The tables of a database, with their columns and types; further options as for `HiveService`."""
        return self._service(host, port, **options).answer(SchemaQuery(database))

    def _service(
        self,
        host: str | None,
        port: int,
        auth_mechanism: str = "PLAIN",
        user: str | None = None,
        password: str | None = None,
        ca_cert: str | None = None,
        kerberos_service_name: str = "hive",
        timeout: float = 60.0,
    ) -> SqlService:
        host = host or (os.environ.get("DATAHIVE_HOST") if self._spec is None else None)
        if host is None:
            if self._embedded is None:
                from datavore_widgets.connect_sql import connect_sql

                self._embedded = connect_sql(self._spec)
            return self._embedded
        from datavore_widgets.client.hive import HiveService

        return HiveService(
            host,
            port,
            auth_mechanism=auth_mechanism,
            user=user,
            password=password,
            ca_cert=ca_cert or os.environ.get("DATAHIVE_CA_CERT"),
            kerberos_service_name=kerberos_service_name,
            timeout=timeout,
        )


def _shaped(table: Table, pandas: bool, batches: bool) -> Any:
    from datavore_widgets.client import frames  # pandas and Arrow load when there is something to show

    if pandas:
        return frames.frames(table) if batches else frames.frame(table)
    return frames.rows(table) if batches else [row for rows in frames.rows(table) for row in rows]
