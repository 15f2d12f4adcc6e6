"""The first kernel, started with the command: it loads what it needs while the service opens and Voila is loaded."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

__all__ = ["KERNEL", "EarlyKernel"]

# Without the folder in which the command was given: a file there with the name of a module would take its place.
KERNEL = [sys.executable, "-P", "-m", "datavore_widgets.web.kernel"]
"""The command of a kernel, without what it is told."""


class EarlyKernel:
    """A kernel that is told later where to listen; it ends when nobody does, also when this process is killed."""

    def __init__(self) -> None:
        # ipykernel ends itself when this process is gone.
        environment = {**os.environ, "JPY_PARENT_PID": str(os.getpid())}
        # Of a session of its own, as every kernel is: Ctrl-C reaches only us.
        self._child: subprocess.Popen[str] | None = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            KERNEL, stdin=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: str | Path
    ) -> subprocess.Popen[str] | None:
        """Be a kernel now.

        Parameters
        ----------
        arguments : sequence of str
            Those of a kernel's command, the connection file among them.
        environment : mapping
            Its environment from now on.
        folder : str or Path
            Where it works.

        Returns
        -------
        subprocess.Popen or None
            The process, which is the caller's from now on; None when it has begun already, or has ended.
        """
        child, self._child = self._child, None
        if child is None:
            return None
        told = {"arguments": list(arguments), "environment": dict(environment), "folder": str(folder)}
        stdin = cast(IO[str], child.stdin)
        try:
            with stdin:
                stdin.write(json.dumps(told) + "\n")
        except OSError:  # it has ended
            child.wait()
            return None
        return child

    def close(self) -> None:
        """End it, unless it has begun."""
        if (child := self._child) is None:
            return
        self._child = None
        child.kill()
        child.wait()
        with contextlib.suppress(OSError):
            cast(IO[str], child.stdin).close()
