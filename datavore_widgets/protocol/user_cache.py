"""The user's cache folder, and folders in it that are made once."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from datavore_widgets.errors import Unreadable

__all__ = ["made_once", "user_cache"]

NAME = "datavore_widgets"

log = logging.getLogger(__name__)


def user_cache() -> Path:
    """Where this package keeps what it can make again; it may not be there yet.

    In the folder that the system has for this: `$XDG_CACHE_HOME`, `~/Library/Caches` or `~/.cache`; of Windows
    `%LOCALAPPDATA%`.
    """
    # Without a library: every process waits for it, and this is all that would be taken of it.
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  it raises nothing where nobody has a home
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / NAME / "Cache"
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if told.is_absolute():  # any other is to be ignored, says the standard
        return told / NAME
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / NAME


def made_once(name: str, make: Callable[[Path], None], what: str, megabytes: int) -> Path:
    """A folder of the cache, made if it is not there yet.

    It is made under another name and then renamed: whenever the making is interrupted, there is no folder or a whole
    one. Two processes that make it at once end with one copy.

    Parameters
    ----------
    name : str
        Of the folder, with a version: other contents are another name, so an old copy is never taken for the new one.
    make : callable
        Writes into the empty folder that it is given.
    what : str
        Named in the error, as "the sample data".
    megabytes : int
        That it takes.

    Raises
    ------
    Unreadable
        When the cache folder cannot be written to.
    """
    cache = user_cache()
    folder = cache / name
    if folder.is_dir():
        return folder
    import tempfile

    log.info("making %s in %s", what, folder)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=cache) as scratch:
            made = Path(scratch) / name
            made.mkdir()
            make(made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():  # not another process that was quicker
                    raise
    except OSError as error:
        raise Unreadable(
            f"{what} cannot be made in {cache} ({error.strerror or error}); "
            f"free {megabytes} MB there, or set XDG_CACHE_HOME to a folder that can be written to"
        ) from error
    return folder
