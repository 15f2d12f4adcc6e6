"""A connected socket, and a way out at every moment before it is one."""

from __future__ import annotations

import errno
import os
import queue
import selectors
import socket
import ssl
import threading
import time
from typing import Any

__all__ = ["dial"]

_LOOK = 0.05  # seconds between two looks at whether the caller has given up
_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


def dial(
    host: str, port: int, seconds: float, given_up: threading.Event, tls: ssl.SSLContext | None = None
) -> socket.socket:
    """A socket that is connected to a host, through TLS if a context is given.

    The operating system lets nobody interrupt the look-up of a name, nor a connection to a host that is silent. So the
    look-up runs in a thread that is left to itself where nobody waits any more, and the socket never blocks.

    Parameters
    ----------
    seconds : float
        For everything; addresses of one name share it.
    given_up : threading.Event
        Set from another thread, it ends the attempt.

    Raises
    ------
    OSError
        As the system tells it: `socket.gaierror` for an unknown name, `ConnectionRefusedError`, `TimeoutError`,
        `ssl.SSLError`; `ConnectionAbortedError` when the caller has given up.
    """
    attempt = _Attempt(time.monotonic() + seconds, given_up)
    addresses = attempt.look_up(host, port)
    failed: OSError | None = None
    for place, (family, _, _, _, address) in enumerate(addresses):
        left = attempt.end - time.monotonic()
        share = _Attempt(time.monotonic() + left / (len(addresses) - place), given_up)
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            share.connect(made, address)
        except OSError as error:
            made.close()
            if isinstance(error, ConnectionAbortedError):
                raise
            failed = error
            continue
        return made if tls is None else attempt.secure(made, host, tls)
    raise failed or socket.gaierror(socket.EAI_NONAME, f"{host} has no address")


class _Attempt:
    """What may take long, each until the end or until it is given up."""

    def __init__(self, end: float, given_up: threading.Event) -> None:
        self.end, self._given_up = end, given_up

    def _check(self) -> None:
        if self._given_up.is_set():
            raise ConnectionAbortedError(errno.ECONNABORTED, "given up")
        if time.monotonic() > self.end:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def look_up(self, host: str, port: int) -> list[Any]:
        found: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                found.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
            except OSError as error:
                found.put(error)
            except UnicodeError:  # a part of the name is empty, or too long to be one
                found.put(socket.gaierror(socket.EAI_NONAME, f"{host} is no name of a host"))

        threading.Thread(target=ask, name="datavore-look-up", daemon=True).start()
        while True:
            self._check()
            try:
                said = found.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if isinstance(said, OSError):
                raise said
            return said

    def connect(self, made: socket.socket, address: Any) -> None:
        made.setblocking(False)
        code = made.connect_ex(address)
        if code in _UNDER_WAY:
            self._wait(made, selectors.EVENT_WRITE)
            code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def secure(self, made: socket.socket, host: str, tls: ssl.SSLContext) -> ssl.SSLSocket:
        secured = tls.wrap_socket(made, server_hostname=host, do_handshake_on_connect=False)
        try:
            while True:
                try:
                    secured.do_handshake()
                except ssl.SSLWantReadError:
                    self._wait(secured, selectors.EVENT_READ)
                except ssl.SSLWantWriteError:
                    self._wait(secured, selectors.EVENT_WRITE)
                else:
                    return secured
        except BaseException:
            secured.close()
            raise

    def _wait(self, made: socket.socket, event: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(made, event)
            self._check()
            while not selector.select(_LOOK):
                self._check()
