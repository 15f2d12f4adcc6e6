"""From the event loop to the threads that answer, and back."""

from __future__ import annotations

import asyncio
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from datavore_widgets.errors import InvalidValue, NoData, NotSupported, ServerError, UnknownName
from datavore_widgets.protocol import payloads, wire
from datavore_widgets.protocol.door import Answer, Service
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import PrepareQuery
from datavore_widgets.server.replies import BUSY, answer_reply

__all__ = ["MOST_WAITING", "WORKERS", "Desk"]

WORKERS = 2 * (os.cpu_count() or 1)
MOST_WAITING = 32 * WORKERS

_JOB_NAME = re.compile(r"[0-9a-f]{16,64}")
_PATIENCE = 2.0  # seconds that answers in the making may take to give up when the server ends


class _Named(Job):
    """A job that somebody looks at by its name, from time to time."""

    def __init__(self) -> None:
        super().__init__()
        self.on_partial = self._keep
        self.parts = 0
        self.part: Answer | None = None

    def _keep(self, part: Answer) -> None:
        self.part = part
        self.parts += 1


class Desk:
    """Takes each question to a bounded pool of threads, and gives it up when nobody waits for its answer any more.

    Parameters
    ----------
    service : Service
        Who answers.
    workers : int
        Questions answered at a time.
    most_waiting : int
        Questions that may wait; more are told to come back.
    """

    def __init__(self, service: Service, workers: int, most_waiting: int) -> None:
        self._service = service
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="datavore-answer")
        self._most = workers + most_waiting
        self._jobs: dict[asyncio.Future[payloads.Payload], Job] = {}
        self._named: dict[str, _Named] = {}

    async def close(self) -> None:
        """Give up what is being answered."""
        for job in self._jobs.values():
            job.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._jobs:
            await asyncio.wait(list(self._jobs), timeout=_PATIENCE)

    def progress(self, name: str) -> Response:
        """How far the question is that was asked with `job=name`."""
        job = self._find(name)
        return answer_reply(payloads.encode_progress(payloads.Progress(job.done, job.total, job.estimate, job.parts)))

    def part(self, name: str) -> Response:
        """What is there so far of the answer to the question that was asked with `job=name`."""
        part = self._find(name).part
        if part is None:
            raise NoData(f"of the question with the job {name!r} nothing is there yet")
        return answer_reply(payloads.encode(part))

    def _find(self, name: str) -> _Named:
        job = self._named.get(name)
        if job is None:
            raise UnknownName(f"no question with the job {name!r} is being answered")
        return job

    async def answer(self, request: Request) -> Response:
        """The reply to a request of the protocol."""
        options, name = _without_job(request.scope["query_string"].decode("latin-1"))
        path = request.scope["raw_path"].decode("latin-1").removeprefix(request.scope.get("root_path", ""))
        query = wire.read(path, options)
        if isinstance(query, PrepareQuery) and query.start and "sec-fetch-site" in request.headers:
            # A page of anybody's can send its reader's browser here.
            raise NotSupported("preparing is asked for by programs, not by pages of a browser")
        if len(self._jobs) >= self._most:
            raise ServerError("the server is busy; ask again in a moment", code=BUSY)
        job = Job() if name is None else _Named()
        work = asyncio.wrap_future(self._pool.submit(self._work, query, job))
        self._jobs[work] = job
        if name is not None and isinstance(job, _Named):
            self._named[name] = job
        # A question holds its place until its thread is done, whether somebody still waits for it or not.
        work.add_done_callback(lambda _: self._forget(work, job, name))
        gone = asyncio.ensure_future(_until_gone(request))
        either: set[asyncio.Future[Any]] = {work, gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not work.done():
                job.cancel()
        if not work.done():
            return Response(status_code=499)  # nobody is there to read it
        return answer_reply(work.result())

    def _work(self, query: Any, job: Job) -> payloads.Payload:
        job.check()
        return payloads.encode(self._service.answer(query, job))

    def _forget(self, work: asyncio.Future[payloads.Payload], job: Job, name: str | None) -> None:
        self._jobs.pop(work, None)
        # Whoever asks again when a connection broke keeps the name, which is then the second question's.
        if name is not None and self._named.get(name) is job:
            del self._named[name]
        if not work.cancelled():
            work.exception()  # looked at, or the loop reports it as lost when nobody waits any more


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _without_job(query_string: str) -> tuple[str, str | None]:
    """The options without `job`, and the name that it gives."""
    kept, name = [], None
    for part in query_string.split("&"):
        if part.startswith("job="):
            name = part.removeprefix("job=")
            if not _JOB_NAME.fullmatch(name):
                raise InvalidValue("the option `job` is 16 to 64 hexadecimal digits of one's own choice")
        else:
            kept.append(part)
    return "&".join(kept), name
