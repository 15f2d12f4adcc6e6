"""HTTP around any service: every question of the protocol is a GET (or HEAD), every error a problem document."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datavore_widgets import __version__
from datavore_widgets.errors import DatavoreError, InvalidValue, ServerError
from datavore_widgets.protocol.door import Service
from datavore_widgets.server.desk import MOST_WAITING, WORKERS, Desk
from datavore_widgets.server.paths import OPERATIONS, PART, PROGRESS, docs_page, openapi_document
from datavore_widgets.server.replies import problem_reply

__all__ = ["build_app"]

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Maps, values, time series and files of a catalogue of ocean data, by the Datavore protocol. All requests are GET, or \
HEAD.

Paths are read from their right end, so that the id of an index may hold a slash. Errors are problem documents \
(RFC 9457): `type` is a short name of what went wrong, `detail` says what to do.

While many files are still looked into, the indexes, the files and the acquisitions are of those that are known: the \
header `Datavore-Growth` says so, as JSON of how many are `listed`, `done` and in `total`, and their `rate` a second.
"""


def build_app(service: Service, *, workers: int = WORKERS, most_waiting: int = MOST_WAITING) -> Starlette:
    """An ASGI application that answers for a service.

    Parameters
    ----------
    service : Service
        Whoever answers; it is not closed with the application.
    workers : int
        Questions answered at a time.
    most_waiting : int
        Questions that may wait; more are answered 429 with `Retry-After`.

    See Also
    --------
    datavore_widgets.server.run : Serves it, and checks on loopback whom requests are addressed to.
    """
    desk = Desk(service, workers, most_waiting)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await desk.close()

    async def progress(request: Request) -> Response:
        return desk.progress(request.path_params["job"])

    async def part(request: Request) -> Response:
        return desk.part(request.path_params["job"])

    app = Starlette(
        routes=[
            *(Route(path, _docs) for path in ("/", "/docs")),
            Route("/openapi.json", _openapi),
            Route(PROGRESS.route, progress),
            Route(PART.route, part),
            *(Route(operation.route, desk.answer) for operation in OPERATIONS),
            # The protocol's own reader tells what is wrong with any other path, and minds no `/` at its end.
            Route("/{path:path}", desk.answer),
        ],
        middleware=[Middleware(_Front)],
        exception_handlers={HTTPException: _http_problem, DatavoreError: _problem},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def _docs(_request: Request) -> Response:
    return HTMLResponse(docs_page(openapi_document(__version__, _DESCRIPTION)))


async def _openapi(_request: Request) -> Response:
    return JSONResponse(openapi_document(__version__, _DESCRIPTION))


async def _problem(_request: Request, error: Exception) -> Response:
    return problem_reply(error) if isinstance(error, DatavoreError) else _failed()


async def _http_problem(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: other methods than GET and HEAD."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        reply = problem_reply(InvalidValue(f"only GET and HEAD are answered, not {request.method}"), 405)
        reply.headers["Allow"] = "GET, HEAD"
        return reply
    return _failed()


def _failed() -> Response:
    return problem_reply(ServerError("the server failed at this question; its log says why", code=500), 500)


class _Front:
    """What every reply has, and the net below everything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        # HEAD is answered as GET is, without the body (RFC 9110, 9.3.2).
        bare = scope["method"] == "HEAD"
        scope = {**scope, "method": "GET"} if bare else scope

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                ours = (b"datavore-server", f"datavore_widgets/{__version__}".encode("ascii"))
                message["headers"] = [*message["headers"], ours, (b"x-content-type-options", b"nosniff")]
            await send({**message, "body": b""} if bare and message["type"] == "http.response.body" else message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # The border: whoever asked hears that it failed, whoever runs the server why.
            logger.exception("GET %s failed", scope["path"])
            if started:
                raise
            await _failed()(scope, receive, send_with_headers)
