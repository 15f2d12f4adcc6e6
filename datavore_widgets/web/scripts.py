"""The scripts that the page begins with: fetched at once, and not wave after wave as each of them names others.

The extensions of the page load more than a hundred scripts in six waves, each of which waits for the one before. Which
they are is known only by running them, so those that a page asks for are remembered for the next start of the site.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from datavore_widgets.service.user_cache import user_cache

__all__ = ["Scripts"]

log = logging.getLogger(__name__)

_PACKAGES = ("voila", "ipywidgets", "jupyterlab_widgets", "anywidget", "bqplot", "bqscales", "jupyter_leaflet")
"""Those whose scripts they are; other versions have others."""

_BEGINNING = 60.0
"""Seconds in which a page asks for what it begins with, on a slow machine; what comes later was clicked for."""

_MOST = 300


class Scripts:
    """The scripts that a page begins with.

    Parameters
    ----------
    folder : Path, optional
        Where they are remembered; None: the user's cache folder.

    Attributes
    ----------
    known : tuple of str
        Their addresses on the site, as they were known when it started.
    """

    def __init__(self, folder: Path | None = None) -> None:
        versions = json.dumps([(name, _version(name)) for name in _PACKAGES])
        name = f"page-{hashlib.sha256(versions.encode()).hexdigest()[:16]}.json"
        self._file = (user_cache() if folder is None else folder) / name
        self.known = self._read()
        self._seen = dict.fromkeys(self.known)
        self._began = -_BEGINNING

    def sent(self, address: str, page: str) -> None:
        """Take note of what was sent.

        Parameters
        ----------
        address : str
            Its path and query.
        page : str
            The path of the page itself.
        """
        path = urlsplit(address).path
        if path == page:
            self._began = time.monotonic()
        elif path.endswith(".js") and len(self._seen) < _MOST and time.monotonic() - self._began < _BEGINNING:
            self._seen[address] = None

    def close(self) -> None:
        """Remember them."""
        if len(self._seen) == len(self.known):
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            scratch = self._file.with_suffix(".new")
            scratch.write_text(json.dumps(list(self._seen)), encoding="utf-8")
            scratch.replace(self._file)
        except OSError as error:
            log.info("the scripts of the page are not remembered: %s", error)

    def _read(self) -> tuple[str, ...]:
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ()
        return tuple(told[:_MOST]) if isinstance(told, list) and all(map(_is_address, told)) else ()


def _is_address(told: Any) -> bool:
    """Whether it is an address on the site itself."""
    return isinstance(told, str) and told.startswith("/") and not told.startswith("//")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
