"""One connection to a HiveServer2 with its session: remote calls by name, and errors of our own tree."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from impala import hiveserver2 as hs2
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TTransportException

from datavore_widgets.client.credentials import Credentials, Secret
from datavore_widgets.client.dial import dial
from datavore_widgets.client.rowset import FetchReply, read_fetch_reply
from datavore_widgets.errors import BadReply, DatavoreError, InvalidSql, ServerError, Unreachable, Unreadable

__all__ = ["HiveConnection", "sql_error"]

_GOOD = (
    hs2.TStatusCode.SUCCESS_STATUS,
    hs2.TStatusCode.SUCCESS_WITH_INFO_STATUS,
    hs2.TStatusCode.STILL_EXECUTING_STATUS,
)
_TRIES = 3
_CONNECT_TIMEOUT = 10.0


class _Socket(TSocket):  # type: ignore[misc]  # thrift has no types
    """Thrift's socket, which connects in our way: as long as it lasts, `given_up` ends it."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, given_up: threading.Event) -> None:
        super().__init__(host, port)
        self._tls, self._given_up = tls, given_up

    def open(self) -> None:
        self.handle = dial(self.host, self.port, self._timeout, self._given_up, self._tls)
        self.handle.settimeout(self._timeout)
        if self._given_up.is_set():  # just now, when there was no handle yet to be shut down
            raise ConnectionAbortedError


class HiveConnection:
    """A connection with a session of its own, once it is opened. `broken` tells that it is of no use any more.

    Parameters
    ----------
    timeout : float
        Seconds that every wait for the server may take.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        auth_mechanism: str,
        credentials: Credentials,
        ca_cert: str | None,
        kerberos_service_name: str,
        timeout: float,
    ) -> None:
        self.where = f"{host}:{port}"
        self.broken = False
        self._address = (host, port)
        self._user = credentials.user
        # Servers without authentication take any password but none at all.
        self._password = credentials.password or Secret("none")
        self._mechanism, self._principal = auth_mechanism, kerberos_service_name
        self._timeout = timeout
        self._tls = _tls(ca_cert)
        self._cut = threading.Event()
        self._socket: Any = None
        self._client: Any = None
        self._session: Any = None

    def open(self) -> None:
        """Connect, and open the session; tried three times, as nothing has been asked yet.

        Raises
        ------
        Unreachable
            When there is no such host, or nobody listens there.
        ServerError
            When the server refuses the user; code 401.
        """
        for attempt in range(_TRIES):
            try:
                self._open_once()
                return
            except Unreachable as error:
                self._drop()
                hopeless = isinstance(_root(error), socket.gaierror | ssl.SSLError | TimeoutError)
                if hopeless or self._cut.is_set() or attempt + 1 == _TRIES:
                    raise
                self._cut.wait(0.2 * 2**attempt)
            except BaseException:
                self._drop()
                raise

    def _open_once(self) -> None:
        host, port = self._address
        self.broken = False
        self._socket = _Socket(host, port, self._tls, self._cut)
        self._socket.setTimeout(1000 * min(self._timeout, _CONNECT_TIMEOUT))
        transport = hs2.get_transport(
            self._socket, host, self._principal, self._mechanism, self._user, self._password.reveal()
        )
        self._client = hs2.ThriftClient(TBinaryProtocolAccelerated(transport))
        with self._told("connecting"):
            transport.open()
        self._socket.setTimeout(1000 * self._timeout)
        with self._told("OpenSession"):
            self._open_session(self._user)

    def _open_session(self, user: str) -> None:
        version = hs2.TProtocolVersion.HIVE_CLI_SERVICE_PROTOCOL_V6  # the first with rows in columns
        request = hs2.TOpenSessionReq(client_protocol=version, username=user)
        reply = self._client.OpenSession(request)
        self._check(reply)
        self._session = reply.sessionHandle
        if reply.serverProtocolVersion < version:
            raise BadReply(f"the server at {self.where} is older than Hive 0.13: it does not send rows in columns")

    def call(self, name: str, request: Any) -> Any:
        """The reply to a remote call whose status is good."""
        with self._told(name):
            reply = getattr(self._client, name)(request)
        return self._check(reply)

    def send(self, name: str, request: Any) -> None:
        """Ask without waiting; replies come in the order of the requests."""
        with self._told(name):
            getattr(self._client, f"send_{name}")(request)

    def receive_rows(self) -> FetchReply:
        """The reply to the oldest FetchResults that was sent."""
        with self._told("FetchResults"):
            reply = read_fetch_reply(self._client._iprot.trans)
        if reply.status not in _GOOD:
            raise sql_error(reply.message, reply.state)
        return reply

    def _check(self, reply: Any) -> Any:
        if reply.status.statusCode not in _GOOD:
            raise sql_error(reply.status.errorMessage, reply.status.sqlState)
        return reply

    def execute(self, text: str, configuration: Mapping[str, str]) -> Any:
        """Start a statement, and give the handle of its operation."""
        request = hs2.TExecuteStatementReq(
            sessionHandle=self._session, statement=text, confOverlay=dict(configuration), runAsync=True
        )
        return self.call("ExecuteStatement", request).operationHandle

    def columns_of(self, database: str) -> Any:
        """Start the listing of all columns of a database, and give the handle of its operation."""
        pattern = database.replace("_", "\\_")
        request = hs2.TGetColumnsReq(sessionHandle=self._session, schemaName=pattern, tableName="%", columnName="%")
        return self.call("GetColumns", request).operationHandle

    def is_spark(self) -> bool:
        """Whether it is Spark's Thrift server."""
        request = hs2.TGetInfoReq(sessionHandle=self._session, infoType=hs2.TGetInfoType.CLI_DBMS_NAME)
        return "spark" in str(self.call("GetInfo", request).infoValue.stringValue).lower()

    @property
    def has_session(self) -> bool:
        """Whether the server has opened a session: only then can anything be under way there."""
        return self._session is not None

    def cut(self) -> None:
        """End the connection at once, from any thread; whoever waits for the server gets an error."""
        self.broken = True
        self._cut.set()
        handle = None if self._socket is None else self._socket.handle
        if handle is not None:
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        self.broken = True
        if self._socket is not None and self._socket.handle is not None:
            self._socket.close()

    def hurry(self) -> None:
        """Wait no longer than a second from now on."""
        if self._socket is not None:
            self._socket.setTimeout(1000)

    def close(self) -> None:
        """End session and connection; a server that is gone is no error."""
        if not self.broken and self._session is not None:
            self.hurry()
            with suppress(DatavoreError):
                self.call("CloseSession", hs2.TCloseSessionReq(sessionHandle=self._session))
        self._drop()

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Turn what goes wrong on the way into errors of ours; the connection is then of no use."""
        try:
            yield
        except BadReply:
            self.broken = True
            raise
        except (DatavoreError, TApplicationException):
            raise  # told already; and a server that does not know the call is not broken
        except (TTransportException, OSError, EOFError) as error:
            self.broken = True
            raise self._transport_error(name, error) from error
        except (TProtocolException, struct.error, ValueError, TypeError, MemoryError) as error:
            self.broken = True
            raise BadReply(
                f"what answers at {self.where} is no HiveServer2, or its reply to {name} is damaged"
            ) from error
        except BaseException:  # an interrupt: the rest of the reply is still on its way
            self.broken = True
            raise

    def _transport_error(self, name: str, error: Exception) -> DatavoreError:
        root = _root(error)
        host = self.where.rpartition(":")[0]
        if isinstance(root, socket.gaierror):
            return Unreachable(f"there is no host {host!r}; look at its spelling, or at the network")
        if isinstance(root, ssl.SSLError):
            return Unreachable(f"no TLS with {self.where}: {root.reason or root}; look at ca_cert and the host's name")
        if isinstance(root, ConnectionRefusedError):
            return Unreachable(f"nothing listens at {self.where}; look at host and port, and whether the server runs")
        if isinstance(root, TimeoutError):
            return Unreachable(f"{self.where} said nothing for as long as `timeout` allows ({name})")
        if re.match(r"Bad status: [34]\b", str(error)):
            message = f"{self.where} refused the user or the password; look at user, password and auth_mechanism"
            return ServerError(message, code=401)
        return Unreachable(f"the connection to {self.where} was lost ({name}); nothing of the answer is kept")


def _root(error: BaseException) -> BaseException:
    """What the operating system said, under thrift's wrapping."""
    while True:
        inner = getattr(error, "inner", None) or error.__cause__
        if inner is None:
            return error
        error = inner


def _tls(ca_cert: str | None) -> ssl.SSLContext | None:
    if ca_cert is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_cert)
    except (OSError, ssl.SSLError) as error:
        raise Unreadable(
            f"the certificates in {ca_cert!r} cannot be read: {error}; ca_cert is a file in PEM"
        ) from error


_POSITION = re.compile(r"\(?line (\d+),? (?:pos(?:ition)?:? )?(\d+)\)?|\bline (\d+):(\d+)\b", re.IGNORECASE)
_EXCEPTION = re.compile(
    r"^(?:[\w.$]+(?:Exception|Error): |Error running query: |\[[A-Z_.0-9]+\] (?=[\w.$]+Exception: ))+"
)
_TAIL = re.compile(r"(line \d+,? pos \d+\)?);?\s*\n.*", re.DOTALL)  # Spark goes on with its plan, or the whole query
_WRONG = re.compile(r"\b(Parse|Analysis|Semantic)Exception\b|\bNoSuch(Table|Database)Exception\b")


def sql_error(message: str | None, state: str | None) -> DatavoreError:
    """The error that a server's message stands for: `InvalidSql` where the query is at fault, with the place in it."""
    whole = message or "the server gave no reason"
    readable = _EXCEPTION.sub("", whole.split("\n\tat ")[0]).strip()
    if (state or "").startswith("42") or _WRONG.search(whole):
        place = _POSITION.search(readable)
        if place is None:
            return InvalidSql(readable)
        readable = _TAIL.sub(r"\1", readable)
        line = int(place[1] or place[3])
        return InvalidSql(readable, line=line, column=int(place[2] or place[4]) + 1)
    return ServerError(readable)
