"""What runs in the process of a kernel: IPython's, with the explorer loaded.

`python -m datavore_widgets.web.kernel -f CONNECTION_FILE` begins at once. Without a connection file it loads what every
kernel of the app needs, and is told the rest later, by one line of JSON on standard input.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import threading
from types import ModuleType
from typing import Any, cast

__all__ = ["main"]

_OPTIONS = [
    "--log-level=CRITICAL",  # what a kernel says of being ended in mid-work is of no use to anybody
    "--HistoryManager.enabled=False",  # nobody types into it
    # Loaded before there was a kernel, it knows of none until it is told. A page would then ask it for the state of
    # each widget by itself, and not for all at once, which takes most of a second.
    "--IPKernelApp.extra_extensions=ipywidgets",
]
_LOADED = [
    "ipykernel.zmqshell",
    "IPython.core.debugger",
    "datavore_widgets.client.http",
    "datavore_widgets.widgets.explorer",
    "datavore_widgets.web.visit",
]
"""What every kernel of the app needs, soon after it is told where to listen."""


class _Later(ModuleType):
    """A module that is loaded when something of it is used first."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # Who looks through all modules asks each where it is from.
        self.__spec__ = spec = importlib.util.find_spec(name)
        self.__file__ = spec.origin if spec else None

    def __getattr__(self, name: str) -> Any:
        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


_lock = threading.Lock()


def _spare() -> None:
    """Keep from being loaded what no page needs, or not every page: most of a second of each kernel's start."""
    # The debugger and its vendored parts, which ipykernel does without where there is none.
    sys.modules.setdefault("debugpy", cast(ModuleType, None))
    # Of bqplot, radar charts and market maps need pandas at once, and nothing else does: here tables of results do.
    sys.modules.setdefault("bqplot.plotting_widgets", ModuleType("bqplot.plotting_widgets"))
    sys.modules.setdefault("pandas", _Later("pandas"))


def main() -> None:
    """Be a kernel, until it is shut down or who started it is gone."""
    arguments = sys.argv[1:]
    _spare()
    from ipykernel.kernelapp import IPKernelApp

    if not arguments:
        for name in _LOADED:
            importlib.import_module(name)
        line = sys.stdin.readline()
        if not line:  # who started it has no use for it any more
            return
        told = json.loads(line)
        arguments = told["arguments"]
        os.environ.clear()
        os.environ.update(told["environment"])
        os.chdir(told["folder"])
    IPKernelApp.launch_instance([*arguments, *_OPTIONS])


if __name__ == "__main__":
    main()
