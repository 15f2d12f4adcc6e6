"""Processes that look into many files at once: HDF5 lets one thread of a process in at a time.

They are started as programs of their own, not forked and not by `multiprocessing`, which would run a user's script
again; they end with their standard input, also when this process is killed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import IO, Any

from datavore_widgets.errors import Unreadable

__all__ = ["looked_into"]

_Found = tuple[str, Any]

_MANY = 1000
"""Files from which on processes are started: they take a second to be there."""

_HANDFUL = 16
"""Files that a process is given at a time."""

_MOST = 8


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def looked_into(look: Callable[[str], Any], paths: Sequence[str]) -> Generator[_Found]:
    """What a function finds in files: by several processes, in any order, where these are many; else here.

    Parameters
    ----------
    look : callable
        Of a module's top level; `look(path)` may raise `Unreadable`. What it gives can be pickled.

    Yields
    ------
    (path, found)
        `found` is what the function gives, or the `Unreadable` that it raised.
    """
    count = min(_processors(), _MOST)
    left = dict.fromkeys(paths)  # in their order
    if len(paths) >= _MANY and count > 1:
        with _Crew(f"{look.__module__}:{look.__qualname__}", count) as crew:
            for path, found in crew.found(paths):
                del left[path]
                yield path, found
    # All of a few; of many, those of processes that have died or could not be started.
    for path in left:
        yield path, _looked(look, path)


def _looked(look: Callable[[str], Any], path: str) -> Any:
    try:
        return look(path)
    except Unreadable as error:
        return error


class _Crew:
    """Some processes with one task."""

    def __init__(self, task: str, count: int) -> None:
        command = [sys.executable, "-P", "-m", "datavore_widgets.service.crew", task]
        # Where this process finds the package, they do too: a notebook may have added to its path.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._members: list[subprocess.Popen[bytes]] = []
        with contextlib.suppress(OSError):  # no memory, or no interpreter where this one was embedded
            for _ in range(count):
                member = subprocess.Popen(  # noqa: S603  our own interpreter and module
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
                )
                self._members.append(member)

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            member.kill()  # they write nothing
        for member in self._members:
            member.wait()
            for pipe in (member.stdin, member.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()

    def found(self, paths: Sequence[str]) -> Iterator[_Found]:
        """What they find, as it comes."""
        handfuls = queue.SimpleQueue[Sequence[str]]()
        for first in range(0, len(paths), _HANDFUL):
            handfuls.put(paths[first : first + _HANDFUL])
        # Bounded: who takes the results may be slower than all of them.
        come: queue.Queue[list[_Found] | None] = queue.Queue(4 * len(self._members))
        ended = threading.Event()
        for member in self._members:
            threading.Thread(target=_feed, args=[member, handfuls, come, ended], daemon=True).start()
        at_work = len(self._members)
        try:
            while at_work:
                handful = come.get()
                if handful is None:
                    at_work -= 1
                else:
                    yield from handful
        finally:
            ended.set()


def _feed(
    member: subprocess.Popen[bytes],
    handfuls: queue.SimpleQueue[Sequence[str]],
    come: queue.Queue[list[_Found] | None],
    ended: threading.Event,
) -> None:
    """Give one of them its work, and take what it finds; one that has died leaves its handful to the others."""
    if member.stdin is None or member.stdout is None:
        return
    while not ended.is_set():
        try:
            handful = handfuls.get_nowait()
        except queue.Empty:
            break
        try:
            _send(member.stdin, handful)
            found = pickle.load(member.stdout)  # noqa: S301  from a process that was started here
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            handfuls.put(handful)
            break
        _put(come, found, ended)
    _put(come, None, ended)


def _put(come: queue.Queue[list[_Found] | None], found: list[_Found] | None, ended: threading.Event) -> None:
    while not ended.is_set():
        with contextlib.suppress(queue.Full):
            come.put(found, timeout=0.2)
            return


def _send(pipe: IO[bytes], what: Any) -> None:
    pickle.dump(what, pipe, protocol=5)
    pipe.flush()


def _work(task: str) -> None:
    """What a member does, until its standard input ends."""
    # What is printed by a library is not taken for what was found.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    module, _, name = task.partition(":")
    look = getattr(importlib.import_module(module), name)
    while True:
        try:
            paths = pickle.load(sys.stdin.buffer)  # noqa: S301  from the process that started this one
        except EOFError:
            return
        _send(out, [(path, _looked(look, path)) for path in paths])


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        _work(sys.argv[1])
