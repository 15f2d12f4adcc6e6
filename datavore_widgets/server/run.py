"""Runs an application: until it is stopped, or in the background with a handle."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from datavore_widgets.errors import InvalidValue, ServerError
from datavore_widgets.protocol.door import Service
from datavore_widgets.server.app import build_app
from datavore_widgets.server.hosts import HostCheck

__all__ = ["BackgroundServer", "run", "serve_background"]

logger = logging.getLogger(__name__)

_MOST_CONNECTIONS = 512
_START_WITHIN = 15.0
_STOP_WITHIN = 10.0


def run(service: Service, host: str = "127.0.0.1", port: int = 8321) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    host : str
        The address to bind; on loopback only requests addressed to this machine by its own names are answered.
    port : int
        0 is a free one.

    Raises
    ------
    InvalidValue
        When the address cannot be bound.
    """
    with _bound(host, port) as listening:
        _server(build_app(service), host).run(sockets=[listening])


def serve_background(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> BackgroundServer:
    """Serve an application from a thread, on a free port by default.

    Returns
    -------
    BackgroundServer
        With `url` and `close()`; also a context manager. It answers already.

    Raises
    ------
    InvalidValue
        When the address cannot be bound.
    """
    return BackgroundServer(app, host, port)


class BackgroundServer:
    """A server that runs in a thread of this process.

    Attributes
    ----------
    url : str
        Its root.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._socket = _bound(host, port)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._socket.getsockname()[1]}"
        self._server = _server(app, host)
        self._thread = threading.Thread(target=self._run, name="datavore-server", daemon=True)
        self._thread.start()
        until = time.monotonic() + _START_WITHIN
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                self.close()
                raise ServerError("the server did not start; its log says why")
            time.sleep(0.005)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """Stop: questions that are being answered are given up."""
        self._server.should_exit = True
        self._thread.join(_STOP_WITHIN)
        if self._thread.is_alive():
            logger.warning("the server at %s does not stop", self.url)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<server at {self.url}>"


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except (OSError, OverflowError) as error:
        raise InvalidValue(f"cannot listen at {host}, port {port}: {error}; choose another port") from error
    return listening


def _server(app: ASGIApp, host: str) -> uvicorn.Server:
    checked = HostCheck(app) if _is_loopback(host) else app
    config = uvicorn.Config(
        checked,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
