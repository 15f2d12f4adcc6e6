"""Preparing on a Dask cluster, where one is given: each segment is made by a worker, beside the files it reads.

The workers see the files and the folder under the same paths as whoever asks; nothing but names goes over the network.
A worker that is lost loses its segment, which another one makes again: under a name of its own, so that two who make
the same never write into one file.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datavore_widgets.errors import InvalidValue, NotSupported, Unreadable
from datavore_widgets.protocol.job import Job

__all__ = ["absolute", "cluster_of", "made_by"]

_LOOK_AROUND = 0.2
"""Seconds after which is looked whether the job was cancelled."""

_PATIENCE = 5
"""Seconds until a scheduler has to answer."""

_ATTEMPTS = 3
"""Workers that may be lost over one segment."""


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
            return loaded.default_client() if loaded is not None else None
        except ValueError:
            return None
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


def made_by(
    client: Any, make: Callable[[int], str], numbers: list[int], job: Job, tell: Callable[[int], None]
) -> list[str]:
    """What workers make of some numbers, in their order.

    Parameters
    ----------
    make : callable
        Sent to the workers.
    tell : callable
        Called with how many are done.

    Raises
    ------
    Cancelled
        When the job is; what is being made ends by itself and is of no use.
    Unreadable
        When workers were lost again and again, or the cluster was.
    """
    distributed = _distributed()
    futures = client.map(make, numbers, pure=False, retries=_ATTEMPTS)
    try:
        told = 0
        while told < len(futures):
            job.check()
            if any(future.status == "error" for future in futures):
                break
            done = sum(future.done() for future in futures)
            if done > told:
                told = done
                tell(done)
            else:
                time.sleep(_LOOK_AROUND)
        return [str(name) for name in client.gather(futures)]
    except (distributed.KilledWorker, distributed.CancelledError, OSError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(
            f"the cluster could not finish: {' '.join(str(error).split()) or type(error).__name__}; what was made is "
            "kept, and the same call goes on from there"
        ) from error
    finally:
        client.cancel(futures)
