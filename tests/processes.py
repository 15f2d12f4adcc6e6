"""Programs that the tests start, and that say on standard output where they can be reached."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import psutil


class Program:
    """A started program: what it has said, and how to end it with all that it started."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], cwd: str | None = None) -> None:
        self.process = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            cwd=cwd,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                self.lines.append(line.rstrip())
                self._queue.put(line)
        self._queue.put(None)

    def wait_for(self, pattern: str, timeout: float = 60.0) -> str:
        """The first group of the first line that matches."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._queue.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"no line like {pattern!r} in {timeout} s:\n{self.output}") from None
            if line is None:
                raise AssertionError(f"ended (exit code {self.process.wait()}) before {pattern!r}:\n{self.output}")
            if found := re.search(pattern, line):
                return found.group(1)

    def wait_for_url(self, pattern: str, timeout: float = 60.0) -> str:
        """As `wait_for`, once somebody listens there: JupyterLab says its address before it does."""
        url = self.wait_for(pattern, timeout)
        there = urlsplit(url)

        def listens() -> bool:
            assert self.process.poll() is None, f"ended before it listened at {url}:\n{self.output}"
            with contextlib.suppress(OSError), socket.create_connection((there.hostname or "", there.port or 80), 1):
                return True
            return False

        until(listens, f"nobody listens at {url}", timeout)
        return url

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def children(self) -> list[psutil.Process]:
        """All processes below this one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def interrupt(self, timeout: float = 20.0) -> int:
        """Press Ctrl-C, and give the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout)

    def end(self) -> None:
        """Whatever it takes."""
        below = self.children()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        for process in [*below, psutil.Process(self.process.pid)] if self.process.poll() is None else below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(5)
        self._reader.join(5)


@contextlib.contextmanager
def started(*arguments: str, environment: Mapping[str, str] | None = None, cwd: str | None = None) -> Iterator[Program]:
    """`python -m …` of this interpreter, ended at the end."""
    program = Program([sys.executable, "-m", *arguments], environment or {}, cwd)
    try:
        yield program
    finally:
        program.end()


def until(true: Callable[[], bool], what: str, timeout: float = 30) -> None:
    """Wait for something to be true; `what` is said when it does not come."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, though nobody may have looked at how."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
