"""The files behind the data: by place and time, found without opening them."""

from __future__ import annotations

from datavore_widgets.protocol.answers import FileList
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import FilesQuery
from datavore_widgets.protocol.times import Lapse
from datavore_widgets.service.footprint import Ring, ring_of_box
from datavore_widgets.service.index import Variable
from datavore_widgets.service.recall import KIND, footprint_of
from datavore_widgets.service.select import select
from datavore_widgets.service.store import Store
from datavore_widgets.service.track import Track
from datavore_widgets.service.vectors import Vector

__all__ = ["file_list", "perhaps_touching"]


def file_list(store: Store, query: FilesQuery, job: Job) -> FileList:
    """The files whose times lie in the lapse and whose cells share more than an edge with the box, by time.

    Footprints that were remembered decide; a file is opened only where they are too coarse, at the edge of the box.
    """
    variable = select(store.library, query.index, query.varname, query.filters).variable
    listed: dict[str, Ring] = {}
    for part in (variable.u, variable.v) if isinstance(variable, Vector) else (variable,):
        listed |= _listed(store, part, query, job)
    listed.pop("", None)  # a data set in memory
    return FileList(tuple(listed), tuple(listed.values()) if query.footprints else None)


def _listed(store: Store, variable: Variable, query: FilesQuery, job: Job) -> dict[str, Ring]:
    steps = variable.axis.within(query.lapse)
    if isinstance(variable, Track):
        pieces = variable.pieces_with(variable.during(variable.grid.inside(query.bbox), steps))
        return {piece.source.name: ring_of_box(piece.found.place.bbox) for piece in pieces}
    numbers = list(dict.fromkeys(variable.piece_of[steps].tolist())) if variable.has_time else [0]
    if variable.moves:
        rings = _moving(store, variable, query, set(numbers), job)
    else:
        there = variable.pieces[0].touches(query.bbox)
        rings = dict.fromkeys(numbers, ring_of_box(variable.bbox)) if there else {}
    return {variable.pieces.file(number): rings[number] for number in numbers if number in rings}


def perhaps_touching(store: Store, variable: Variable, bbox: BBox, wanted: set[int]) -> set[int]:
    """Of files with places of their own, those that may touch a box: none is opened to find out."""
    found, open_questions = _remembered(store, variable, bbox, None, wanted)
    return set(found) | set(open_questions)


def _moving(store: Store, variable: Variable, query: FilesQuery, wanted: set[int], job: Job) -> dict[int, Ring]:
    """Of files with places of their own, those that touch the box, with their outlines."""
    lapse = query.lapse if variable.has_time else None
    found, open_questions = _remembered(store, variable, query.bbox, lapse, wanted)
    for done, (number, ring) in enumerate(open_questions.items()):
        job.progress(done, len(open_questions))
        if variable.pieces[number].touches(query.bbox):
            found[number] = ring
    return found


def _remembered(
    store: Store, variable: Variable, bbox: BBox, lapse: Lapse | None, wanted: set[int]
) -> tuple[dict[int, Ring], dict[int, Ring]]:
    """Files that touch a box by the footprints that are remembered, and those of which they do not tell."""
    files, ledger = variable.pieces.files, store.library.ledger
    slots = {number: files.granules[number].place_slot(variable.name) for number in wanted}
    hits = []
    if ledger.birth == store.library.known_since:
        hits = ledger.search(bbox, lapse, kind=KIND, under=files.folder)
    else:
        # It was lost meanwhile, and what it does not know says nothing.
        slots = dict.fromkeys(wanted)
    found: dict[int, Ring] = {}
    # Those that are not remembered at all, and those whose footprint is too coarse.
    open_questions = {
        number: ring_of_box(files.granules[number].place_of(variable.name)[1])
        for number, slot in slots.items()
        if slot is None
    }
    for path, record in hits:
        number = files.number.get(path, -1)
        slot, footprint = footprint_of(record)
        if footprint is None or slots.get(number) != slot:
            continue
        meets = footprint.meets(bbox)
        if meets is not False:
            (found if meets else open_questions)[number] = footprint.outline
    return found, open_questions
