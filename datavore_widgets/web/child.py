"""The service in a process of its own, which ends with the process that started it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Self, cast

__all__ = ["ServiceProcess"]


class ServiceProcess:
    """`datavore serve` on a free port of this machine.

    The child ends when its standard input does: also when this process is killed and can do nothing about it.

    Parameters
    ----------
    paths : sequence of str
        What to serve; nothing is the sample.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        command = [
            sys.executable,
            "-m",
            "datavore_widgets.cli",
            "serve",
            "--port",
            "0",
            "--prepare",
            "--until-eof",
            "--",
            *paths,
        ]
        # Of a session of its own, so that Ctrl-C reaches only us, and the kernels can end before their service does.
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module; the paths follow "--"
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._stdin, self._stdout = cast(IO[str], self._child.stdin), cast(IO[str], self._child.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def url(self) -> str | None:
        """The address it says it serves at; None when it ended instead, having said why on standard error."""
        for line in self._stdout:
            if found := re.search(r"https?://\S+", line):
                return found.group()
        return None

    def when_ended(self, call: Callable[[], None]) -> None:
        """Call this from a thread of its own when the child has ended."""

        def wait() -> None:
            self._child.wait()
            call()

        threading.Thread(target=wait, name="service-process", daemon=True).start()

    def returncode(self) -> int | None:
        """The child's exit code; None while it runs."""
        return self._child.poll()

    def close(self) -> int:
        """End the child, and give its exit code."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            code = self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        self._stdout.close()
        return code
