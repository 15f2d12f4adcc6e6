"""Every exception of the package: one tree, rooted at `DatavoreError`.

Each class also derives from the built-in exception that a caller would catch for it, and carries what the wire
needs: `slug` (its name in a problem document) and `status` (the HTTP status a server answers with).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = [
    "BadReply",
    "Cancelled",
    "DatavoreError",
    "DeadlineExceeded",
    "InvalidSql",
    "InvalidValue",
    "MissingExtra",
    "NoData",
    "NotSupported",
    "ServerError",
    "TooLarge",
    "UnknownKeyword",
    "UnknownName",
    "Unreachable",
    "Unreadable",
    "did_you_mean",
    "nearest_names",
]


class DatavoreError(Exception):
    """Root of all errors of this package.

    Parameters
    ----------
    message : str
        What was given, what is allowed, and what to do.
    suggestions : sequence of str
        The nearest right spellings or the closest times, best first.
    """

    slug = "error"
    status = 500

    def __init__(self, message: str, *, suggestions: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.suggestions: tuple[str, ...] = tuple(suggestions)

    def __str__(self) -> str:
        return str(self.args[0])


class InvalidValue(DatavoreError, ValueError):
    """A value is spelled wrong or out of range."""

    slug = "invalid-value"
    status = 422


class InvalidSql(InvalidValue):
    """A query that the engine does not understand, or that names what is not there.

    Parameters
    ----------
    line, column : int, optional
        Where in the query, from 1 on, if the engine tells.
    """

    slug = "invalid-sql"

    def __init__(
        self, message: str, *, suggestions: Sequence[str] = (), line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message, suggestions=suggestions)
        self.line = line
        self.column = column


class UnknownKeyword(DatavoreError, TypeError):
    """A keyword or an option that nothing here knows."""

    slug = "unknown-keyword"
    status = 400


class UnknownName(DatavoreError, LookupError):
    """An index, a variable or another name that is not in the catalogue."""

    slug = "unknown-name"
    status = 404


class NoData(DatavoreError, LookupError):
    """The question is right, and there is nothing at that time or in that box."""

    slug = "no-data"
    status = 404


class TooLarge(DatavoreError, ValueError):
    """The answer would exceed a limit, which the message names."""

    slug = "too-large"
    status = 413


class NotSupported(DatavoreError, NotImplementedError):
    """A question that this service has no means to answer."""

    slug = "not-supported"
    status = 501


class Unreadable(DatavoreError, OSError):
    """A file or a part of it cannot be read; never shown as missing data."""

    slug = "unreadable"
    status = 500

    # OSError formats its arguments by itself; ours is one sentence.
    __str__ = DatavoreError.__str__


class Unreachable(DatavoreError, ConnectionError):
    """No connection to the server, or it broke before the answer was whole."""

    slug = "unreachable"
    status = 503

    __str__ = DatavoreError.__str__


class DeadlineExceeded(DatavoreError, TimeoutError):
    """The total time allowed for a request is over."""

    slug = "deadline-exceeded"
    status = 504

    __str__ = DatavoreError.__str__


class BadReply(DatavoreError, RuntimeError):
    """A server answered with something that is not what the protocol says."""

    slug = "bad-reply"
    status = 502


class ServerError(DatavoreError, RuntimeError):
    """A server says that it failed.

    Parameters
    ----------
    code : int
        The HTTP status it answered with.
    """

    slug = "server-error"
    status = 502

    def __init__(self, message: str, *, suggestions: Sequence[str] = (), code: int = 500) -> None:
        super().__init__(message, suggestions=suggestions)
        self.code = code


class Cancelled(DatavoreError):
    """The work was given up on request."""

    slug = "cancelled"
    status = 499


class MissingExtra(DatavoreError, ImportError):
    """An optional package is needed; the message says how to install it."""

    slug = "missing-extra"
    status = 501


def nearest_names(name: str, known: Iterable[str], count: int = 5) -> tuple[str, ...]:
    """Spellings in `known` that resemble `name`, best first."""
    import difflib

    names = sorted({str(k) for k in known})
    folded: dict[str, list[str]] = {}
    for known_name in names:
        folded.setdefault(known_name.casefold(), []).append(known_name)
    close = difflib.get_close_matches(name.casefold(), folded, n=count, cutoff=0.5)
    inside = [key for key in folded if name and name.casefold() in key and key not in close]
    return tuple(spelling for key in [*close, *inside] for spelling in folded[key])[:count]


def did_you_mean(what: str, given: object, known: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """A sentence for a name that is not known, and the nearest names.

    Returns
    -------
    (message, suggestions)
        Ready to be handed to an error of this module.
    """
    names = sorted({str(k) for k in known})
    near = nearest_names(str(given), names)
    message = f"unknown {what} {given!r}"
    if near:
        message += "; did you mean " + " or ".join(repr(n) for n in near[:3]) + "?"
    elif names:
        message += "; there are " + ", ".join(repr(n) for n in names[:12])
        message += f" and {len(names) - 12} more" if len(names) > 12 else ""
    else:
        message += "; there are none"
    return message, near
