"""Compiled inner loops, loaded late: numpy does the same work until they are there, and where they cannot be.

numba takes half a second to load and half a second more before its first loop runs, from its cache; seconds where
nothing is cached yet. So neither an import of this package nor a first answer has it: a thread loads it after the
first work that would gain, and a process that ends sooner never does.

A module of kernels has one function, `compiling(kind)`, a generator that compiles them for arrays of one type, one a
turn, by calling each with arrays as it will be given; and decorates them by `compiled`. A kernel calls those of its own
module alone: what numba has cached is made anew when its file changes, not when another does. Modules are named, not
imported, by who would use them.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import logging
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar, cast

__all__ = ["compiled", "kernels", "wait"]

_log = logging.getLogger(__name__)

_LATER = 1.0
"""Seconds from the first work that would gain to loading: what answers a first question has the processor till then."""

F = TypeVar("F", bound=Callable[..., Any])


class _Wish:
    """Some kernels for arrays of one type, as long as they are not there."""

    def __init__(self) -> None:
        self.hurry, self.done = threading.Event(), threading.Event()
        self.found: ModuleType | None = None


_wishes: dict[tuple[str, str], _Wish] = {}
_new = threading.Lock()
_loading = threading.Lock()
"""Held while something is compiled: one thing at a time."""
_ending = threading.Event()


def compiled(function: F) -> F:
    """A function compiled by numba, and kept for other processes, that leaves the interpreter to other threads."""
    import numba

    made: Any
    try:
        made = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        # Neither the folder of the package nor the user's cache can be written to: compiled anew by each process.
        made = numba.njit(nogil=True)(function)
    return cast(F, made)


def kernels(module: str, kind: str, *, soon: bool = False) -> ModuleType | None:
    """A module of kernels, once they are compiled for arrays of a type; until then, or if they cannot be, None.

    Never waits. The first call of a process has them loaded a second later.

    Parameters
    ----------
    module : str
        Its full name.
    kind : str
        A type of arrays, as `compiling` of the module takes it: "i2".
    soon : bool
        Load them at once, for work of more than a second.
    """
    wish = _wishes.get((module, kind)) or _wished(module, kind)
    if soon:
        wish.hurry.set()
    return wish.found


def wait(module: str, kind: str) -> ModuleType | None:
    """The same, but waits until they are compiled, or cannot be: for tests, and for who measures."""
    kernels(module, kind, soon=True)
    wish = _wishes[module, kind]
    wish.done.wait()
    return wish.found


def _wished(module: str, kind: str) -> _Wish:
    with _new:
        if (module, kind) not in _wishes:
            wish = _wishes[module, kind] = _Wish()
            threading.Thread(target=_load, args=(module, kind, wish), name="datavore-compile", daemon=True).start()
        return _wishes[module, kind]


def _load(module: str, kind: str, wish: _Wish) -> None:
    wish.hurry.wait(_LATER)
    try:
        with _loading:
            found = importlib.import_module(module)
            with _alone(found):
                for _ in found.compiling(kind):
                    if _ending.is_set():
                        return
            wish.found = found
    except Exception as error:  # whatever is wrong with a compiler, numpy has the same numbers
        _log.info("numpy is used instead of %s: %s", module, error)
    finally:
        wish.done.set()


@contextlib.contextmanager
def _alone(module: ModuleType) -> Iterator[None]:
    """Be the only process that compiles a module: of two at once, numba's cache may keep one's code as the other's."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            file = stack.enter_context(open(module.__file__ or "", "rb"))  # noqa: PTH123  # it may have none
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@atexit.register
def _end() -> None:
    """Let the kernel that is being compiled be done: a process that ends in the midst of a compiler may crash."""
    _ending.set()
    with _loading:
        pass
