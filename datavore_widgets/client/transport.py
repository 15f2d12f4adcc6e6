"""One GET that ends: at its deadline, when it is cancelled, at its cap of bytes, and never on another host.

`requests` bounds each wait for the next bytes, so a server that drips holds it for ever; it follows redirects
anywhere, and unpacks what it is sent however large. Here a watcher shuts the connection down at the deadline, decoded
bytes are counted while they come, and redirects are followed by hand.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import exceptions as low
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from datavore_widgets.errors import (
    BadReply,
    Cancelled,
    DatavoreError,
    DeadlineExceeded,
    TooLarge,
    Unreachable,
)
from datavore_widgets.protocol.job import Job

__all__ = ["Deadline", "Reply", "Transport", "TryAgain"]

logger = logging.getLogger(__name__)

_CHUNK = 1 << 16
_MOST_REDIRECTS = 3
_CANCEL_POLL = 0.05  # seconds between looks at a job's cancel


class TryAgain(Exception):
    """A failure that may pass; `error` is what to raise when it does not.

    Parameters
    ----------
    after : float, optional
        Seconds that the server asks to wait.
    """

    def __init__(self, error: DatavoreError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class Deadline:
    """When everything ends: so many seconds after it was set, or was last put off."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.put_off()

    def put_off(self) -> None:
        """Let the seconds begin anew."""
        self.until = time.monotonic() + self._seconds

    @property
    def left(self) -> float:
        """Seconds until then; 0 or less when it is over."""
        return self.until - time.monotonic()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply: `headers` are found whatever their case, `body` is decoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Watch(threading.Thread):
    """Shuts a connection down at the deadline or when the job is cancelled, which wakes whoever reads from it."""

    def __init__(self, deadline: Deadline, job: Job | None) -> None:
        super().__init__(name="datavore-watch", daemon=True)
        self._deadline = deadline
        self._job = job
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.cut = False

    def run(self) -> None:
        while (left := self._deadline.left) > 0 and not (self._job and self._job.cancelled):
            if self._over.wait(left if self._job is None else min(left, _CANCEL_POLL)):
                return
        with self._lock:
            self.cut = not self._over.is_set()
            self._shut()

    def hold(self, sock: socket.socket | None) -> None:
        """Take charge of the connection that the request goes over."""
        with self._lock:
            self._socket = sock
            self._shut()

    def finish(self) -> None:
        with self._lock:
            self._over.set()
            self._socket = None

    def _shut(self) -> None:
        if self.cut and self._socket is not None:
            with contextlib.suppress(OSError):
                # Not the method of an SSL socket, which would pull its state from under the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_line = threading.local()
"""`watch`: that of the request which this thread makes."""


def _tell_watch(sock: Any) -> None:
    watch: _Watch | None = getattr(_line, "watch", None)
    if watch is not None:
        watch.hold(sock)


class _WatchedHTTP(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _tell_watch(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _tell_watch(self.sock)
        super().request(*args, **kwargs)


class _WatchedHTTPS(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _tell_watch(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _tell_watch(self.sock)
        super().request(*args, **kwargs)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: urllib3.PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        return manager


class Transport:
    """Makes GET requests to one server; may be used by several threads at once.

    Parameters
    ----------
    user_agent : str
        How the server is told who asks.
    auth : (str, str), optional
        User and password.
    trust_env : bool
        Whether the proxies, certificates and `.netrc` of the environment are used.
    connect_timeout : float
        Seconds that a connection may take.
    """

    def __init__(
        self, user_agent: str, *, auth: tuple[str, str] | None, trust_env: bool, connect_timeout: float
    ) -> None:
        self._connect_timeout = connect_timeout
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent
        self._session.headers["Accept-Encoding"] = "gzip, deflate"
        self._session.auth = auth
        self._session.trust_env = trust_env
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        weakref.finalize(self, self._session.close)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(pool_connections=4, pool_maxsize=16))

    def close(self) -> None:
        """Close the connections that are kept."""
        self._session.close()

    def get(self, url: str, *, deadline: Deadline, max_bytes: int, job: Job | None = None) -> Reply:
        """Ask once, following redirects to the same host.

        Parameters
        ----------
        url : str
            Without user and password: it is logged.
        deadline : Deadline
            Everything ends there; with a job it may be put off meanwhile.
        max_bytes : int
            The most bytes of a body, decoded.

        Raises
        ------
        TryAgain
            When there is no connection, or it breaks.
        Cancelled, DeadlineExceeded, TooLarge, BadReply
            As their names say.
        """
        for _ in range(_MOST_REDIRECTS + 1):
            reply, target = self._once(url, deadline, max_bytes, job)
            if target is None:
                return reply
            there = urljoin(url, target)
            if not _same_host(url, there):
                raise BadReply(f"{_host(url)} sends on to {there!r}, which is another host; nothing was asked there")
            url = there
        raise BadReply(f"{_host(url)} sends on more than {_MOST_REDIRECTS} times")

    def _once(self, url: str, deadline: Deadline, max_bytes: int, job: Job | None) -> tuple[Reply, str | None]:
        left = deadline.left
        if left <= 0:
            raise _late(url)
        started = time.monotonic()
        with self._watched(url, deadline, job):
            timeout = (min(self._connect_timeout, left), None)  # what is read, the watch ends: its end may move
            with self._session.get(url, stream=True, allow_redirects=False, timeout=timeout) as response:
                target = self._session.get_redirect_target(response)
                body = b"" if target else _body(response, max_bytes)
        taken = 1000 * (time.monotonic() - started)
        logger.debug("GET %s: %d, %d bytes, %.0f ms", url, response.status_code, len(body), taken)
        return Reply(response.status_code, response.headers, body), target

    @contextlib.contextmanager
    def _watched(self, url: str, deadline: Deadline, job: Job | None) -> Iterator[None]:
        watch = _line.watch = _Watch(deadline, job)
        watch.start()
        failure: Exception | None = None
        try:
            yield
        except (requests.RequestException, low.HTTPError, http.client.HTTPException, OSError) as error:
            if isinstance(error, DatavoreError):
                raise
            failure = error
        finally:
            _line.watch = None
            watch.finish()
        if job is not None and job.cancelled:
            raise Cancelled("the request was cancelled") from failure
        if watch.cut or (failure is not None and deadline.left <= 0):
            # A body without a length ends without an error when the connection is shut: it is not whole.
            raise _late(url) from failure
        if failure is not None:
            logger.debug("GET %s: %s", url, type(failure).__name__)
            raise _told(url, failure, self._connect_timeout) from failure


def _late(url: str) -> DeadlineExceeded:
    return DeadlineExceeded(f"{_host(url)} did not answer in time; ask for less, or allow more with `timeout`")


def _body(response: requests.Response, max_bytes: int) -> bytes:
    declared = response.headers.get("Content-Length", "")
    body = bytearray()
    if not (declared.isdigit() and int(declared) > max_bytes):
        for chunk in response.raw.stream(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > max_bytes:
                break
        else:
            return bytes(body)
    raise TooLarge(f"the answer is larger than {max_bytes / 1e6:.0f} MB; ask for less, or allow more with `max_bytes`")


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _same_host(url: str, other: str) -> bool:
    """Whether a redirect stays where it was: the same scheme, host and port, or the secure scheme of that host."""
    try:
        here, there = urlsplit(url), urlsplit(other)
        ports = here.port, there.port
    except ValueError:
        return False
    if here.hostname != there.hostname or there.username is not None:
        return False
    if here.scheme == there.scheme:
        return ports[0] == ports[1]
    return (here.scheme, there.scheme) == ("http", "https") and ports[0] in (None, 80) and ports[1] in (None, 443)


def _causes(error: BaseException | None, depth: int = 0) -> Iterator[BaseException]:
    """An exception and all those that it wraps, in the ways of requests, urllib3 and the standard library."""
    if error is None or depth > 8:
        return
    yield error
    wrapped = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    for inner in wrapped:
        if isinstance(inner, BaseException):
            yield from _causes(inner, depth + 1)


def _told(url: str, failure: Exception, connect_timeout: float) -> Exception:
    """Our own error for a failure of the layers below; those that may pass as `TryAgain`."""
    host, causes = _host(url), list(_causes(failure))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if has(low.SSLError):
        return Unreachable(f"no secure connection to {host}: {causes[-1]}")
    if has(low.NameResolutionError):
        return TryAgain(Unreachable(f"cannot reach {host}: the host is not known"))
    if has(ConnectionRefusedError):
        return TryAgain(Unreachable(f"cannot reach {host}: the connection was refused; is the server running?"))
    if has(low.ConnectTimeoutError):
        return TryAgain(Unreachable(f"cannot reach {host}: no connection within {connect_timeout:g} s"))
    if has(low.ReadTimeoutError, TimeoutError):
        return _late(url)
    if has(low.DecodeError):
        return BadReply(f"the reply of {host} is not compressed as it says")
    if has(ConnectionError, low.NewConnectionError):
        return TryAgain(Unreachable(f"the connection to {host} broke before the answer was whole"))
    if has(http.client.IncompleteRead, low.IncompleteRead, low.InvalidChunkLength):
        return TryAgain(BadReply(f"the reply of {host} is shorter than it says"))
    if has(low.ProtocolError, http.client.HTTPException):
        return BadReply(f"{host} does not speak HTTP as it should ({type(causes[-1]).__name__})")
    return Unreachable(f"cannot reach {host}: {type(failure).__name__}")
