"""HttpService: asks a server, ours or one that knows only the published protocol."""

from __future__ import annotations

import contextlib
import email.utils
import ipaddress
import logging
import random
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit, urlunsplit

import numpy as np

from datavore_widgets import __version__
from datavore_widgets.client.transport import Deadline, Reply, Transport, TryAgain
from datavore_widgets.errors import (
    BadReply,
    Cancelled,
    DatavoreError,
    InvalidValue,
    NoData,
    NotSupported,
    ServerError,
    UnknownName,
)
from datavore_widgets.protocol import payloads, problems, wire
from datavore_widgets.protocol.answers import Catalog, IndexInfo, MapImage, Times
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import (
    AcquisitionsQuery,
    CatalogQuery,
    DataQuery,
    DoctorQuery,
    ExtractQuery,
    FilesQuery,
    LapsCatalogQuery,
    LapseDataQuery,
    LapseMapQuery,
    MapQuery,
    PrepareQuery,
    Query,
    QuicklookQuery,
    SeriesQuery,
    SpectrumQuery,
    TimesQuery,
)
from datavore_widgets.protocol.times import Date, TimeAxis, label_from_millis, millis_from_label

__all__ = ["HttpService"]

logger = logging.getLogger(__name__)

_LONG = 7 * 86_400.0  # seconds that preparing may take, whatever the timeout: it tells its progress, and is cancelled
_RETRIED = (429, 502, 503, 504)
_LONGEST_WAIT = 5.0  # seconds, whatever `Retry-After` asks for
_FIRST_WAIT = 0.2
_BUSY = (429, 503)
_QUIET = 30.0  # seconds without questions in advance, where a server that is busy does not say how long
_LARGE_ANSWERS = (DataQuery, LapseDataQuery, SeriesQuery, ExtractQuery, AcquisitionsQuery)
_SMALL_BYTES = 32_000_000
_PROGRESS_AFTER, _PROGRESS_EVERY = 0.5, 0.25


class HttpService:
    """A service that asks a server over HTTP.

    It finds out from the replies whether the server is one of ours. If it is not, only what published servers know is
    asked: pictures in Web-Mercator are asked for as plate carrée and warped here, and times are worked out from the
    configuration.

    Parameters
    ----------
    root : str
        `http://…` or `https://…`, with or without a `/` at its end. A user and a password in it are used and kept out
        of everything that is shown or logged.
    timeout : (float, float)
        Seconds for connecting, and for the whole answer with all its tries; for a server of ours that tells its
        progress, the second ones begin anew with each step.
    tries : int
        How often a question is asked when the connection fails or the server is busy (502, 503, 504, 429).
    max_bytes : int
        The most bytes of a data, series or table answer; other answers have at most 32 MB.

    Raises
    ------
    InvalidValue
        When `root` is no address of a server.

    Examples
    --------
    >>> HttpService("https://user:secret@example.org/datavore/")
    HttpService('https://example.org/datavore')
    """

    def __init__(
        self,
        root: str,
        *,
        timeout: tuple[float, float] = (5.0, 120.0),
        tries: int = 3,
        max_bytes: int = 96_000_000,
    ) -> None:
        self.root, auth = _split_root(root)
        connect_timeout, self._total = timeout
        if not (connect_timeout > 0 and self._total > 0 and tries >= 1 and max_bytes > 0):
            raise InvalidValue("timeout, tries and max_bytes are above 0")
        self._tries = tries
        self._max_bytes = max_bytes
        self._transport = Transport(
            f"datavore_widgets/{__version__}",
            auth=auth,
            # A proxy of the environment is for the world outside, and cannot reach this machine's own ports.
            trust_env=not _is_loopback(self.root),
            connect_timeout=connect_timeout,
        )
        self._ours: bool | None = None
        self._quiet_until = 0.0  # by the monotonic clock; until then nothing is asked that nobody waits for

    def __repr__(self) -> str:
        return f"HttpService({self.root!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._transport.close()

    def answer(self, query: Query, job: Job | None = None) -> Any:
        """The answer to a query; see `protocol.door.Service`.

        Raises
        ------
        Unreachable, DeadlineExceeded, BadReply, ServerError, TooLarge
            When the server cannot be asked or does not answer as it should.
        DatavoreError
            What the server itself refuses, as the same class and sentence that it raised.
        """
        is_long = isinstance(query, PrepareQuery) and query.start
        call = _Call(Deadline(_LONG if is_long else self._total), job)
        if self._ours is None and _added_words(query):
            self._ask(CatalogQuery(), call)
        if self._ours is False:
            return self._answer_plainly(query, call)
        return self._ask(query, call)

    # --- a server that knows only the published protocol ---

    def _answer_plainly(self, query: Query, call: _Call) -> Any:
        if isinstance(query, TimesQuery):
            info = self._ask(CatalogQuery(), call).index(query.index)
            info.variable(query.varname)
            return _times_from(info)
        try:
            if isinstance(query, MapQuery | LapseMapQuery) and query.canvas.projection == "mercator":
                return self._warped(query, call)
            return self._ask(query, call)
        except NoData as error:
            raise self._nearest_names(query, error, call) from error

    def _warped(self, query: MapQuery | LapseMapQuery, call: _Call) -> MapImage:
        """A picture asked as plate carrée, finer than needed, and warped to what was asked."""
        # Late: Pillow is needed here alone.
        from datavore_widgets.client.warp import warp_to_mercator

        bbox = query.canvas.bbox.clip_to_mercator()
        resolution = query.canvas.resolution
        finer = None if resolution is None else min(2 * resolution, max(resolution, 2048))
        canvas = replace(query.canvas, bbox=bbox, projection="pc_world", resolution=finer)
        image: MapImage = self._ask(replace(query, canvas=canvas), call)
        return warp_to_mercator(image, resolution)

    def _nearest_names(self, query: Query, error: NoData, call: _Call) -> DatavoreError:
        """What a bare 404 means: a name that the configuration does not have, or nothing there."""
        named = _named(query)
        if named is None:
            return error
        index, varnames = named
        try:
            catalog: Catalog = self._ask(CatalogQuery(), call)
            info = catalog.index(index)
            for varname in varnames if info.variables else ():
                info.variable(varname)
        except UnknownName as unknown:
            return unknown
        except DatavoreError as silent:
            logger.debug("%r tells no names: %s", self, silent)
        return error

    # --- one question ---

    def _ask(self, query: Query, call: _Call) -> Any:
        request = wire.write(query, plain=self._ours is False)
        max_bytes = self._max_bytes if isinstance(query, _LARGE_ANSWERS) else _SMALL_BYTES
        with self._progress(query, call) as options:
            reply = self._fetch(replace(request, options=request.options + options), call, max_bytes)
        return payloads.decode(query, reply.headers.get("Content-Type", ""), reply.headers, reply.body)

    def _fetch(self, request: wire.Request, call: _Call, max_bytes: int) -> Reply:
        """A reply with status 200, after as many tries as are allowed; what a server refuses is raised.

        What nobody waits for is asked once, and not at all while the server wants quiet.
        """
        is_ahead = call.job is not None and call.job.ahead
        if is_ahead and time.monotonic() < self._quiet_until:
            raise ServerError(f"{self.root} is busy: nothing is asked in advance for a while", code=_BUSY[0])
        for left in reversed(range(1 if is_ahead else self._tries)):
            try:
                reply = self._transport.get(
                    self.root + request.target, deadline=call.deadline, max_bytes=max_bytes, job=call.job
                )
                self._learn(reply)
                if reply.status == 200:
                    return reply
                error = self._refusal(reply)
                if reply.status not in _RETRIED:
                    raise error
                after = _retry_after(reply.headers.get("Retry-After"))
                if reply.status in _BUSY:
                    self._quiet_until = time.monotonic() + (_QUIET if after is None else after)
                raise TryAgain(error, after)
            except TryAgain as failure:
                wait = failure.after
                if wait is None:
                    wait = _FIRST_WAIT * 2 ** (self._tries - 1 - left) * random.uniform(0.5, 1.5)  # noqa: S311
                if left == 0 or not call.wait(min(wait, _LONGEST_WAIT)):
                    raise failure.error from failure.__cause__
                logger.debug("asking %r again: %s", self, failure)
        raise AssertionError("unreachable: the last try returns or raises")

    def _learn(self, reply: Reply) -> None:
        # A proxy in front of a server of ours may answer in its place, but not with 200.
        if "Datavore-Server" in reply.headers:
            self._ours = True
        elif reply.status == 200:
            self._ours = False

    def _refusal(self, reply: Reply) -> DatavoreError:
        """The error that a reply with another status than 200 is."""
        kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        told = problems.error_from_problem(reply.body) if kind == problems.MEDIA_TYPE else None
        if told is not None:
            return told
        status = reply.status
        if status in (401, 403):
            return ServerError(f"{self.root} refuses access ({status}); check the user and the password", code=status)
        if status == 404:
            return NoData(f"{self.root} has nothing for this question (404)")
        if 200 <= status < 400:
            return BadReply(f"{self.root} answered with the status {status}, which has no answer in it")
        said = f": {payloads.excerpt(reply.body)}" if reply.body else ""
        return ServerError(f"{self.root} failed with the status {status}{said}", code=status)

    @contextlib.contextmanager
    def _progress(self, query: Query, call: _Call) -> Iterator[tuple[tuple[str, str], ...]]:
        """Ask a server of ours, from time to time, how far it is with this question."""
        job = call.job
        if job is None or not self._ours or isinstance(query, CatalogQuery | LapsCatalogQuery | TimesQuery):
            yield ()
            return
        name, over = secrets.token_hex(16), threading.Event()
        watcher = threading.Thread(
            target=self._poll_progress,
            args=(query, name, job, call.deadline, over),
            name="datavore-progress",
            daemon=True,
        )
        watcher.start()
        try:
            yield (("job", name),)
        finally:
            over.set()

    def _poll_progress(self, query: Query, name: str, job: Job, deadline: Deadline, over: threading.Event) -> None:
        wait, heard = _PROGRESS_AFTER, payloads.Progress(0, 0)
        while not over.wait(wait):
            wait = _PROGRESS_EVERY
            try:
                reply = self._look(f"jobs/{name}/", 10_000)
                if reply.status != 200 or over.is_set():
                    continue
                told = payloads.decode_progress(reply.body)
                if (told.done, told.parts) > (heard.done, heard.parts):
                    deadline.put_off()
                if told.estimate is not None and told.estimate != heard.estimate:
                    job.expect(told.estimate)
                if told.total:
                    job.progress(told.done, told.total)
                if told.parts > heard.parts and job.wants_parts:
                    self._show_part(query, name, job, over)
                heard = told
            except Cancelled:
                return
            except (TryAgain, DatavoreError) as error:
                logger.debug("no progress of %s: %s", name, error)

    def _show_part(self, query: Query, name: str, job: Job, over: threading.Event) -> None:
        reply = self._look(f"jobs/{name}/part/", self._max_bytes)
        if reply.status == 200:
            part = payloads.decode(query, reply.headers.get("Content-Type", ""), reply.headers, reply.body)
            if not over.is_set():
                job.partial(lambda: part)

    def _look(self, path: str, max_bytes: int) -> Reply:
        return self._transport.get(f"{self.root}/{path}", deadline=Deadline(2.0), max_bytes=max_bytes)


class _Call:
    """What one question may take: a deadline over all its requests, and the job that may cancel it."""

    def __init__(self, deadline: Deadline, job: Job | None) -> None:
        self.deadline = deadline
        self.job = job

    def wait(self, seconds: float) -> bool:
        """Wait before the next try; False when the deadline would be over by then.

        Raises
        ------
        Cancelled
            When the job is cancelled meanwhile.
        """
        until = time.monotonic() + seconds
        if until >= self.deadline.until:
            return False
        while (left := until - time.monotonic()) > 0:
            if self.job is not None:
                self.job.check()
            time.sleep(min(left, 0.05))
        return True


def _split_root(root: str) -> tuple[str, tuple[str, str] | None]:
    """A root without user, password and `/` at its end; and user and password."""
    try:
        parts = urlsplit(root.strip())
        port = parts.port
    except ValueError:
        raise InvalidValue("the address of the server is not an http(s) URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InvalidValue(
            f"the address of a server is like https://example.org/datavore, without `?` and `#`, not "
            f"{parts.scheme + '://' if parts.scheme else ''}{parts.hostname or ''}{parts.path}"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port is None else f"{host}:{port}"
    auth = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", "")), auth


def _is_loopback(root: str) -> bool:
    host = urlsplit(root).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retry_after(value: str | None) -> float | None:
    """Seconds of a `Retry-After`, a number or a date; None where it is neither (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _added_words(query: Query) -> bool:
    """Whether the question, or the picture in its answer, depends on whose server it is."""
    if isinstance(query, TimesQuery | DoctorQuery | PrepareQuery | AcquisitionsQuery | SpectrumQuery):
        return True
    if isinstance(query, MapQuery | LapseMapQuery) and query.canvas.projection == "mercator":
        return True
    try:
        return wire.write(query) != wire.write(query, plain=True)
    except NotSupported:
        return True


def _named(query: Query) -> tuple[str, tuple[str, ...]] | None:
    """The index and the variables that a question names."""
    match query:
        case MapQuery(source) | DataQuery(source):
            return source.index, (source.varname,)
        case ExtractQuery(index, varnames):
            return index, varnames
        case (
            LapseMapQuery(index, varname)
            | LapseDataQuery(index, varname)
            | SeriesQuery(index, varname)
            | FilesQuery(index, varname)
            | DoctorQuery(index, varname)
            | PrepareQuery(index, varname)
            | QuicklookQuery(index, varname)
        ):
            return index, (varname,)
        case _:
            return None


def _times_from(info: IndexInfo) -> Times:
    """Times evenly spread from the first to the last that a configuration tells."""
    if info.first is None or info.last is None or info.count < 1:
        return Times(TimeAxis(np.zeros(0, dtype=np.int64)), exact=False)
    first, last = (int(millis_from_label(Date.parse(text).low)) for text in (info.first, info.last))
    millis = np.linspace(first, last, info.count).round().astype(np.int64)
    return Times(TimeAxis(label_from_millis(millis), info.calendar), exact=info.count == 1)
