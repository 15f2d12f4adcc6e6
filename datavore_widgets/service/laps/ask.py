"""Preparing on the wish of one who looks: what there is, what it takes, and doing it."""

from __future__ import annotations

from datavore_widgets.errors import NotSupported
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.preparation import Preparation
from datavore_widgets.protocol.queries import PrepareQuery
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.laps.folder import is_preparable
from datavore_widgets.service.laps.prepare import prepare_variable, room_of
from datavore_widgets.service.select import find_index, find_variable
from datavore_widgets.service.store import Store
from datavore_widgets.service.tiles import estimate_of

__all__ = ["preparation"]


def preparation(store: Store, query: PrepareQuery, job: Job) -> Preparation:
    """What is prepared of a variable; after it was, if that is asked for.

    Raises
    ------
    NotSupported
        When it is asked for, and cannot be.
    """
    index = find_index(store.library, query.index)
    variable = find_variable(index, query.varname)
    hindrance = ""
    if not is_preparable(variable):
        hindrance = f"{variable.name!r} cannot be prepared: that needs files of a grid of rows and columns, with times"
    elif not store.prepares:
        hindrance = "this server prepares nothing for others; whoever runs it can, by `datavore prepare PATH`"
    if query.start:
        if hindrance:
            raise NotSupported(hindrance)
        prepare_variable(index, variable, store.shelf.root, job, store.cluster.share)
    if hindrance and not is_preparable(variable):
        return Preparation(len(variable.axis), 0, hindrance=hindrance)
    ready = store.shelf.look(variable, tuple(dim.default for dim in variable.dims))
    steps = slice(0, len(variable.axis))
    return Preparation(
        len(variable.axis),
        0 if ready is None else len(variable.axis) - ready.missing,
        ready is not None and ready.changed,
        estimate_of([variable], [steps], Cells.whole(variable.grid.shape)).nbytes,
        room_of(variable),
        hindrance,
    )
