"""A Dask cluster, where one is given: its workers read the files, and what they make of them is all that travels.

The workers see the files under the same paths as whoever asks. What a worker that is lost was at, another one does
again.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from datavore_widgets.errors import DatavoreError, InvalidValue, NotSupported, Unreadable
from datavore_widgets.protocol.job import Job

__all__ = ["Cluster", "absolute", "cluster_of", "made_by", "threads_of"]

Item = TypeVar("Item")
Made = TypeVar("Made")

_LOOK_AROUND = 0.2
"""Seconds after which is looked whether the job was cancelled."""

_PATIENCE = 5
"""Seconds until a scheduler has to answer."""

_ATTEMPTS = 3
"""Times that one piece of work is tried again."""


def cluster_of(scheduler: str | None) -> Any:
    """A client of a Dask scheduler: of its address, or the active one of this process; None where there is neither.

    Raises
    ------
    NotSupported
        When an address is given and Dask is not installed.
    InvalidValue
        When nobody answers there.
    """
    if scheduler is None:
        # Whoever has an active client has imported it; nobody else pays for that.
        loaded = sys.modules.get("distributed.client")
        try:
            client = loaded.default_client() if loaded is not None else None
        except ValueError:
            return None
        # One that is to be awaited has no answers for who waits in a thread.
        return None if client is None or client.asynchronous else client
    distributed = _distributed()
    try:
        return distributed.Client(scheduler, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InvalidValue(f"no Dask scheduler answers at {scheduler!r}: {error}") from error


def _distributed() -> Any:
    """Dask's package, which is untyped, and no dependency of ours."""
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise NotSupported("a scheduler needs Dask: pip install 'datavore_widgets[dask]'") from error


def absolute(spec: Any) -> Any:
    """Paths and globs as a worker finds them, whatever its own folder is."""
    return [os.path.abspath(part) for part in ([spec] if isinstance(spec, str | Path) else spec)]  # noqa: PTH100  globs


class Cluster:
    """The workers that read for a service; none, where there is no cluster or they cannot see the data.

    Parameters
    ----------
    spec
        What the service opened.
    scheduler : str, optional
        Address of a Dask scheduler; by default the active `distributed.Client` of this process is taken, if and as
        soon as there is one.

    Raises
    ------
    InvalidValue
        When there is an address, and what was opened lies in memory.
    """

    def __init__(self, spec: Any, scheduler: str | None) -> None:
        parts = [spec] if isinstance(spec, str | Path) else spec
        on_disk = isinstance(parts, list | tuple) and all(isinstance(part, str | Path) for part in parts)
        if scheduler is not None and not on_disk:
            raise InvalidValue("a scheduler's workers open paths: data in memory are not among their files")
        self.spec: tuple[str, ...] | None = tuple(absolute(parts)) if on_disk else None
        self._own = None if scheduler is None else cluster_of(scheduler)

    @property
    def client(self) -> Any:
        """A client of the scheduler, or None."""
        if self.spec is None:
            return None
        return self._own if self._own is not None else cluster_of(None)

    @property
    def share(self) -> tuple[Any, Any] | None:
        """The client, and what its workers open; None where there is none."""
        client = self.client
        return None if client is None or self.spec is None else (client, list(self.spec))

    def close(self) -> None:
        """Leave the cluster; what others started goes on."""
        if self._own is not None:
            self._own.close()
            self._own = None


def made_by(
    client: Any, make: Callable[[Item], Made], items: Sequence[Item], job: Job
) -> Generator[tuple[int, Made], None, None]:
    """What workers make of some items, each with its number, as they come.

    Parameters
    ----------
    make : callable
        Sent to the workers.

    Raises
    ------
    Cancelled
        When the job is; what is being made ends by itself and is of no use.
    Unreadable
        When workers were lost again and again, or the cluster was.
    DatavoreError
        What a worker raised.
    """
    with _gone():
        futures = client.map(make, items, key="datavore", pure=False, retries=_ATTEMPTS)
        number = {future.key: place for place, future in enumerate(futures)}
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for future in futures:
            future.add_done_callback(ended.put)
        try:
            for _ in futures:
                future = _next(ended, client, job)
                result = client.gather(future)
                # The worker need not keep it.
                future.release()
                yield number[future.key], result
        finally:
            if client.status == "running":
                client.cancel(futures)


def threads_of(client: Any) -> int:
    """How many pieces of work a cluster does at a time.

    Raises
    ------
    Unreadable
        When the cluster is lost.
    """
    with _gone():
        return max(sum(int(threads) for threads in client.nthreads().values()), 1)


def _next(ended: queue.SimpleQueue[Any], client: Any, job: Job) -> Any:
    while True:
        job.check()
        try:
            return ended.get(timeout=_LOOK_AROUND)
        except queue.Empty:
            if client.status in ("closed", "closing"):
                raise OSError("the scheduler is gone") from None


@contextlib.contextmanager
def _gone() -> Iterator[None]:
    """What Dask raises when it is lost, as an error of ours."""
    distributed = _distributed()
    lost = distributed.KilledWorker, distributed.CancelledError, distributed.client.ClosedClientError, OSError
    try:
        yield
    except lost as error:
        if isinstance(error, DatavoreError):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable(f"the cluster could not finish: {said}; what was prepared is kept: ask again") from error
