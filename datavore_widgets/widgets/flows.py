"""The vectors of a data set: which of its variables are one, and which way their arrows point."""

from __future__ import annotations

from dataclasses import dataclass

from datavore_widgets.protocol.answers import IndexInfo

__all__ = ["Flow", "flow_of", "flows_of"]


@dataclass(frozen=True)
class Flow:
    """A vector of a data set.

    Parameters
    ----------
    east, north : str
        The variables that are its parts to the east and to the north.
    components : tuple of str
        The variables that are stored of it.
    what : {'wind', 'current', ''}
        What flows, where the data tell.
    units : str
        Of its parts.
    """

    east: str
    north: str
    components: tuple[str, ...]
    what: str
    units: str

    @property
    def label(self) -> str:
        """What it is called in a menu."""
        names = ", ".join(self.components)
        return f"{self.what.capitalize()}: {names}" if self.what else names

    @property
    def convention(self) -> str:
        """Which way its arrows point, beside how its direction is told."""
        if self.what == "wind":
            return "point where the wind blows to (its direction: where it comes from)"
        return f"point where {'the current' if self.what == 'current' else 'it'} goes to"


def flows_of(info: IndexInfo) -> list[Flow]:
    """The vectors of a data set, in the order of its variables.

    Examples
    --------
    >>> from datavore_widgets.protocol.answers import VariableInfo
    >>> told = {"vector": ("u10", "v10"), "units": "m s-1"}
    >>> names = {"u10": "eastward_wind", "v10": "northward_wind"}
    >>> variables = {name: VariableInfo(name, standard_name=text, **told) for name, text in names.items()}
    >>> flows_of(IndexInfo("a", "a", variables=variables))[0].label
    'Wind: u10, v10'
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for name, variable in info.variables.items():
        if variable.vector and all(part in info.variables for part in variable.vector):
            found.setdefault(variable.vector, []).append(name)
    return [_flow(info, east, north, names) for (east, north), names in found.items()]


def flow_of(info: IndexInfo, name: str) -> Flow | None:
    """The vector that a variable belongs to; None for one of no vector, and for no variable."""
    vector = info.variables[name].vector if name in info.variables else ()
    return next((flow for flow in flows_of(info) if (flow.east, flow.north) == vector), None)


def _flow(info: IndexInfo, east: str, north: str, names: list[str]) -> Flow:
    variables = [info.variables[name] for name in names]
    words = " ".join(variable.standard_name for variable in variables)
    what = "wind" if "wind" in words else "current" if "sea_water" in words else ""
    stored = tuple(variable.name for variable in variables if not variable.derived)
    return Flow(east, north, stored or (east, north), what, info.variables[east].units)
