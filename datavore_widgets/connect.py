"""What people name a service by → the service: the one place that sees both those who ask and those who answer."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datavore_widgets.errors import InvalidValue

if TYPE_CHECKING:
    from datavore_widgets.protocol.door import Service

__all__ = ["ENVIRONMENT", "OPENED", "connect"]

ENVIRONMENT = "DATAVORE_SERVICE"
"""The variable that says what `None` means; read when it is needed."""

OPENED = "DATAVORE_OPENED"
"""The variable in which `datavore explore` tells its pages what was opened, as a JSON list; `[]` is the sample."""

_opened: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()


def connect(spec: Any = None, *, grows: bool = False) -> Service:
    """The service that `spec` names.

    Parameters
    ----------
    spec : None, str, Path, list of these, xarray.Dataset, mapping or service
        None is what the environment variable `DATAVORE_SERVICE` names, or else the built-in sample. An http(s) URL is
        a server; a path, a glob, a folder, a list of paths, a catalogue file, a data set or a mapping from ids to
        these is opened in this process. Whoever has `answer` is the service already.
    grows : bool
        Whether it answers before all of many files were looked into; by default it is awaited.

    Returns
    -------
    Service
        The same one for the same files as long as somebody holds it, so that equal clients share what is remembered.

    Raises
    ------
    InvalidValue
        When it names none.
    """
    if spec is None:
        spec = os.environ.get(ENVIRONMENT) or None
    if callable(getattr(spec, "answer", None)):
        service: Service = spec
        return service
    if isinstance(spec, str):
        scheme = re.match(r"\s*([a-z][a-z0-9+.-]*):/", spec, re.IGNORECASE)
        # One letter is a drive of Windows.
        if scheme and len(scheme[1]) > 1:
            return _at_url(scheme[1].lower(), spec)
    if isinstance(spec, bool | int | float | bytes) or (isinstance(spec, str | list | tuple | dict) and not spec):
        raise InvalidValue(f"a service is an http(s) URL, a path, a glob, a list of paths or a data set, not {spec!r}")
    return _at_files(spec, grows)


def _at_url(scheme: str, spec: str) -> Service:
    if scheme == "datavore":
        raise InvalidValue(f"{spec!r} names a service inside another process; give the files or the URL it was made of")
    if scheme not in ("http", "https"):
        raise InvalidValue(f"a service's URL starts with http:// or https://, not {scheme}://; give a path for files")
    from datavore_widgets.client.http import HttpService

    return HttpService(spec)


def _at_files(spec: Any, grows: bool) -> Service:
    # Late: whoever asks a server loads no xarray.
    from datavore_widgets.service.local import LocalService

    key = _key(spec)
    known: LocalService | None = None if key is None else _opened.get(key)
    if known is None:
        known = LocalService(spec, grows=grows)
        if key is not None:
            _opened[key] = known
    elif not grows:
        known.settle()
    return known


def _key(spec: Any) -> Hashable | None:
    """What is equal for equal files; None for what cannot be told."""
    if spec is None:
        return "sample"
    if isinstance(spec, str | Path):
        return str(Path(spec).expanduser().absolute())
    if isinstance(spec, list | tuple) and all(isinstance(item, str | Path) for item in spec):
        return tuple(_key(item) for item in spec)
    return None
