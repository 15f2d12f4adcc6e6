"""Preparing: what makes any box over any lapse of an index a matter of milliseconds."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datavore_widgets.errors import InvalidValue, NotSupported, Unreadable
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.catalog import Library, open_catalog
from datavore_widgets.service.cluster import absolute, cluster_of, made_by
from datavore_widgets.service.index import Index, Variable
from datavore_widgets.service.laps.build import build_segment
from datavore_widgets.service.laps.folder import Folder, Plan, cache_folder, is_preparable, plan_of, plans_of
from datavore_widgets.service.laps.reader import Reader
from datavore_widgets.service.laps.segment import Segment

__all__ = ["Prepared", "prepare", "prepare_variable", "room_of"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """What was done for one variable.

    Parameters
    ----------
    index, varname : str
        Which.
    folder : Path
        Where it is kept.
    steps : int
        Times that are ready.
    built, kept : int
        Segments made now, and those that were there already.
    nbytes : int
        On the disk.
    """

    index: str
    varname: str
    folder: Path
    steps: int
    built: int
    kept: int
    nbytes: int


def prepare(
    spec: Any,
    *,
    folder: str | Path | None = None,
    fields: bool | None = None,
    job: Job | None = None,
    scheduler: str | None = None,
) -> list[Prepared]:
    """Prepare every variable with times of files, so that boxes and lapses of them take milliseconds.

    Grids of rows and columns are, with the default position of every further dimension; the rest is read as before.

    Reads each value once. What is there already and still true is kept: after a file was added only the last
    segment of time is made again. Cancelled or killed at any moment, what was prepared before is still there, and
    the next call goes on where this one ended. Another process that prepares the same is waited for.

    Parameters
    ----------
    spec : path, glob, list of paths, or catalogue file
        What `open_catalog` takes, apart from data sets in memory.
    folder : path, optional
        Where to keep it; the user's cache folder if not given, where every service finds it by itself.
    fields : bool, optional
        Also keep a copy in the order of time, for pictures and scrubbing; by default where the files hold several
        steps to a chunk, so that one picture has to decode many.
    job : Job, optional
        To cancel, and to hear of the progress.
    scheduler : str, optional
        Address of a Dask scheduler whose workers do it; by default those of the active `distributed.Client` if there
        is one, else this process. The workers have to see the files and the folder under the same paths.

    Raises
    ------
    Unreadable
        When files cannot be read, the folder cannot be written to or is full, or the cluster could not finish.
    """
    root = Path(folder).absolute() if folder else cache_folder()
    client = cluster_of(scheduler)
    try:
        with open_catalog(spec) as library:
            share = None if client is None else (client, absolute(spec))
            return prepare_library(library, root, fields=fields, job=job or Job(), share=share)
    finally:
        if client is not None and scheduler is not None:
            client.close()


def prepare_library(
    library: Library, root: Path, *, fields: bool | None, job: Job, share: tuple[Any, Any] | None = None
) -> list[Prepared]:
    """Prepare the variables of indexes that are open; `share` is a cluster, and what its workers open."""
    todo = list(_preparable(library.indexes.values()))
    if not todo:
        raise InvalidValue("nothing here can be prepared: that needs files with a variable of several times")
    total = sum(len(variable.axis) for _, variable in todo)
    done, told = 0, []
    for index, variable in todo:
        try:
            told.append(_done(_Work(index, variable, root, fields, job, done, total), share))
        except NotSupported as error:
            _log.warning("%s", error)
        done += len(variable.axis)
    return told


def prepare_variable(
    index: Index, variable: Variable, root: Path, job: Job, share: tuple[Any, Any] | None = None
) -> Prepared:
    """Prepare one variable of an index that is open."""
    return _done(_Work(index, variable, root, None, job, 0, len(variable.axis)), share)


def room_of(variable: Variable) -> int:
    """Bytes that it takes on the disk at most, about."""
    return _room(variable, _by_fields(variable))


def _room(variable: Variable, fields: bool) -> int:
    ny, nx = variable.grid.shape
    return int(ny * nx * len(variable.axis) * variable.dtype.itemsize * (2.25 if fields else 1.25))


def _by_fields(variable: Variable) -> bool:
    """Whether pictures of it are slow without a copy of their own."""
    return variable.pieces[0].found.layout.chunk[0] > 1


def _done(work: _Work, share: tuple[Any, Any] | None) -> Prepared:
    try:
        return work.run(share)
    except OSError as error:
        if isinstance(error, Unreadable):
            raise
        gib = _room(work.variable, work.fields) / 2**30
        raise Unreadable(
            f"{work.variable.name!r} of {work.index.id!r} cannot be prepared in {str(work.root)!r}: "
            f"{error.strerror or error}; it takes up to {gib:.1f} GiB there. What was prepared before is still in use"
        ) from error


def _preparable(indexes: Iterable[Index]) -> Iterator[tuple[Index, Variable]]:
    for index in indexes:
        for variable in index.variables.values():
            if is_preparable(variable):
                yield index, variable


class _Work:
    """The preparing of one variable."""

    def __init__(
        self, index: Index, variable: Variable, root: Path, fields: bool | None, job: Job, before: int, total: int
    ) -> None:
        self.index, self.variable, self.job = index, variable, job
        self.before, self.total = before, total
        self.at = tuple(dim.default for dim in variable.dims)
        self.root, self.folder = root, Folder(root, variable, self.at)
        self.fields = _by_fields(variable) if fields is None else fields

    def run(self, share: tuple[Any, Any] | None) -> Prepared:
        with self.folder.locked(self.job):
            self.folder.sweep()
            plans = plans_of(self.variable)
            wanted = [number for number, plan in enumerate(plans) if not self._is_there(plan)]
            if share is not None and wanted:
                self._build_on(*share, plans, wanted)
            else:
                self.build([plans[number] for number in wanted])
            built = len(wanted)
            names = [plan.name for plan in plans]
            if built or names != self.folder.names():
                self.folder.publish(names, {"variable": self.variable.name, "index": self.index.id})
            self.folder.tidy()
            nbytes = self.folder.nbytes
            self._progress(len(self.variable.axis))
        return Prepared(
            self.index.id,
            self.variable.name,
            self.folder.path,
            len(self.variable.axis),
            built,
            len(plans) - built,
            nbytes,
        )

    def _progress(self, steps: int) -> None:
        self.job.progress(self.before + steps, self.total)

    def _is_there(self, plan: Plan) -> bool:
        if self.fields and not self.folder.fields(plan.name).exists():
            return False
        return Segment.peek(self.folder.segment(plan.name)) is not None

    def _build_on(self, client: Any, spec: Any, plans: list[Plan], wanted: list[int]) -> None:
        """Have the workers of a cluster make segments, and see that they made what is wanted here."""
        make = partial(_built, spec, self.index.id, self.variable.name, self.folder.path.parent, self.fields)
        steps = len(self.variable.axis) // len(plans)
        before = (len(plans) - len(wanted)) * steps
        self._progress(before)
        # Each under a name of its own: of two who make the same, because one was thought lost, none spoils the other's.
        for done, _ in enumerate(made_by(client, make, wanted, self.job), 1):
            self._progress(before + done * steps)
        for number in wanted:
            if not self._is_there(plans[number]):
                raise Unreadable(
                    f"the workers made no {plans[number].name} in {str(self.folder.path)!r}: they have to see the same "
                    "files and the same folder, in the same state"
                )

    def build(self, plans: list[Plan]) -> None:
        """Make segments one after another."""
        with Reader(self.variable, self.at, [plan.steps for plan in plans]) as reader:
            for plan in plans:
                self._progress(plan.steps.start)
                self._build(plan, reader)

    def _build(self, plan: Plan, reader: Reader) -> None:
        """Make a segment under another name, and give it its own when the disk has it."""
        mine = f"{plan.name}-{uuid.uuid4().hex[:8]}"
        part = self.folder.path / f"{mine}.part"
        fields = self.folder.path / f"{mine}.fields-part" if self.fields else None
        try:
            build_segment(
                reader,
                part,
                fields,
                plan.about,
                self.job,
                lambda done: self._progress(plan.steps.start + done),
            )
            self._check_unchanged(plan)
            if fields is not None:
                fields.replace(self.folder.fields(plan.name))
            part.replace(self.folder.segment(plan.name))
            self.folder.flush()
        finally:
            for path in (part, part.with_suffix(".staged"), fields):
                if path is not None:
                    path.unlink(missing_ok=True)

    def _check_unchanged(self, plan: Plan) -> None:
        if plan_of(self.variable, plan.steps) != plan:
            raise Unreadable(f"a file of {self.index.id!r} was changed while it was prepared; prepare it again")


def _built(spec: Any, index: str, varname: str, root: Path, fields: bool, number: int) -> str:
    """Make one segment in another process, which opens the files itself; its name."""
    with open_catalog(spec) as library:
        found = library.indexes[index]
        work = _Work(found, found.variables[varname], root, fields, Job(), 0, 1)
        plan = plans_of(work.variable)[number]
        work.build([plan])
        return plan.name
