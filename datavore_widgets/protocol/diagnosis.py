"""What the doctor says of files, and how it is written for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Checkup", "Diagnosis", "VariableDiagnosis", "as_text", "without_path"]


@dataclass(frozen=True)
class VariableDiagnosis:
    """What a variable is.

    Parameters
    ----------
    grid : str
        What its cells are, and how many.
    packing : str
        How its values are stored.
    low, high : float, optional
        Of the values that were looked at.
    """

    name: str
    label: str
    units: str
    kind: str
    grid: str
    packing: str
    dims: str = ""
    times: int = 0
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What a file is.

    Parameters
    ----------
    state : {'well', 'doubtful', 'refused', 'unreadable'}
        Nothing to say; shown, with doubts; nothing in it can be shown; it cannot be read.
    extent : tuple, optional
        West, south, east, north.
    first, last : str, optional
        ISO 8601, as the calendar writes them.
    mended, doubtful : tuple of str
        What was set right on opening, and what may be wrong: sentences.
    refused : dict of str to str
        Variables that cannot be shown, each with the reason; under the empty name that of the file.
    """

    path: str
    state: str
    format: str = ""
    size: int = 0
    title: str = ""
    calendar: str = ""
    times: int = 0
    first: str | None = None
    last: str | None = None
    extent: tuple[float, float, float, float] | None = None
    variables: tuple[VariableDiagnosis, ...] = ()
    mended: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """In plain values of JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Checkup:
    """The files behind a variable, looked at.

    Parameters
    ----------
    files : tuple of Diagnosis
        The first of them.
    total : int
        How many there are.
    problems : mapping of str to str
        What was said when the data were opened, of these files and of those that are left out: path → reason.
    """

    files: tuple[Diagnosis, ...]
    total: int
    problems: Mapping[str, str] = field(default_factory=dict)


_SIGNS = {"well": "✓", "doubtful": "!", "refused": "–", "unreadable": "✗"}


def as_text(found: Diagnosis) -> Iterator[tuple[str, str]]:
    """A diagnosis as lines to read: (how it is meant, text); meant is a state, `mended`, or empty."""
    yield found.state, f"{_SIGNS[found.state]} {found.path}"
    facts = [found.format, _megabytes(found.size) if found.format else "", found.title]
    if any(facts):
        yield "", "    " + " · ".join(fact for fact in facts if fact)
    if found.first is not None:
        lapse = found.first if found.times == 1 else f"{found.times} times, {found.first} to {found.last}"
        yield "", f"    {lapse}" + (f" ({found.calendar})" if found.calendar != "standard" else "")
    if found.extent is not None:
        west, south, east, north = found.extent
        yield (
            "",
            f"    {_degrees(west, 'EW')} to {_degrees(east, 'EW')}, {_degrees(south, 'NS')} to {_degrees(north, 'NS')}",
        )
    for grid, some in _by_grid(found.variables):
        yield "", f"    {grid}:"
        width = min(max(len(variable.name) for variable in some), 28)
        for variable in some:
            yield "", "      " + _variable_line(variable, width)
    for mended in found.mended:
        yield "mended", f"    mended: {without_path(found.path, mended)}"
    for doubt in found.doubtful:
        yield "doubtful", f"    doubtful: {without_path(found.path, doubt)}"
    for name, reason in found.refused.items():
        yield "refused", f"    not shown: {name + ': ' if name else ''}{without_path(found.path, reason)}"


def without_path(path: str, reason: str) -> str:
    """A sentence about a file, as it is written beside its path.

    Examples
    --------
    >>> without_path("/data/a.nc", "nothing in '/data/a.nc' can be shown on a map")
    'nothing in it can be shown on a map'
    """
    return reason.replace(f" of {path!r}", "").replace(repr(path), "it")


def _by_grid(variables: Iterable[VariableDiagnosis]) -> list[tuple[str, list[VariableDiagnosis]]]:
    groups: dict[str, list[VariableDiagnosis]] = {}
    for variable in variables:
        groups.setdefault(variable.grid, []).append(variable)
    return list(groups.items())


def _variable_line(variable: VariableDiagnosis, width: int) -> str:
    units = f" {variable.units}" if variable.units and variable.units != "1" else ""
    if variable.low is None:
        values = "no values"
    else:
        low, high = f"{variable.low:.4g}", f"{variable.high:.4g}"
        values = (low if low == high else f"{low} … {high}") + units
    more = [variable.label if variable.label != variable.name else "", values, variable.packing, variable.dims]
    return f"{variable.name:<{width}}  " + " · ".join(part for part in more if part)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _degrees(value: float, letters: str) -> str:
    return f"{abs(value):.6g}°{letters[0] if value >= 0 else letters[1]}"
