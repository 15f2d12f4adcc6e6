"""Whether a request is addressed to this server at all."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from datavore_widgets.errors import InvalidValue
from datavore_widgets.server.replies import problem_reply

__all__ = ["LOOPBACK_HOSTS", "HostCheck"]

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
"""The names by which this machine calls itself."""


class HostCheck:
    """Answers only requests that are addressed to one of some hosts.

    A server on loopback needs it: a page of the web could otherwise read from it, by a name of its own that it lets
    resolve to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] = LOOPBACK_HOSTS) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 421 (RFC 9110, section 15.5.20)."""
        if scope["type"] != "http" or _host_of(scope) in self._hosts:
            await self._app(scope, receive, send)
            return
        error = InvalidValue(f"this server answers only as {', '.join(sorted(self._hosts))}")
        await problem_reply(error, 421)(scope, receive, send)


def _host_of(scope: Scope) -> str:
    """The host without its port; empty when it is told not exactly once."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(values) != 1:
        return ""
    host = re.sub(r":\d*$", "", values[0].strip().lower())
    if host.startswith("[") and host.endswith("]"):
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(host[1:-1]))
    return host
