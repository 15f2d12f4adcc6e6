"""A part of a reading that is done elsewhere: by a worker of a cluster, beside the files."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from datavore_widgets.errors import Unreadable
from datavore_widgets.service.catalog import Library, open_catalog
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.index import Variable
from datavore_widgets.service.select import Selection, select
from datavore_widgets.service.series import Block, Fold
from datavore_widgets.service.tiles import Tile

__all__ = ["Errand", "Found", "Stint"]

T = TypeVar("T")


class Stint(NamedTuple):
    """What one worker reads at a time.

    Parameters
    ----------
    runs : list of lists of Tile
        One behind the other; the tiles of a run have the same steps.
    state : hashable
        Of their files, as whoever asks sees them.
    """

    runs: list[list[Tile]]
    state: Hashable

    @property
    def steps(self) -> slice:
        """All of its steps."""
        return slice(self.runs[0][0].steps.start, self.runs[-1][0].steps.stop)


class Found(NamedTuple):
    """What became of a stint.

    Parameters
    ----------
    made : list
        Of its runs.
    blocks, nbytes : int
        Blocks that were read, and their bytes.
    """

    made: list[Any]
    blocks: int
    nbytes: int


@dataclass(frozen=True, eq=False)
class Errand(Generic[T]):
    """What all workers of one reading have to know. It is called with a stint, there.

    Parameters
    ----------
    spec : tuple of str
        What they open.
    axis : str
        Tells whether they find the same times in the same files.
    index, varname, asked
        What `select` takes.
    """

    spec: tuple[str, ...]
    axis: str
    index: str
    varname: str
    asked: tuple[Any, str]
    cells: Cells
    fold: Fold[T]

    @classmethod
    def of(cls, spec: tuple[str, ...], selection: Selection, cells: Cells, fold: Fold[T]) -> Errand[T]:
        """For the values of some cells."""
        variable = selection.variable
        return cls(spec, _axis_of(variable), selection.index.id, variable.name, selection.asked, cells, fold)

    def __call__(self, stint: Stint) -> Found:
        """Read, and make of it what is wanted.

        Raises
        ------
        Unreadable
            When the files are not those that whoever asks has seen.
        """
        selection = select(_library(self.spec, self.axis), self.index, self.varname, *self.asked)
        self._check(selection, stint)
        read: list[int] = []

        def blocks(run: list[Tile]) -> Iterator[Block]:
            for tile in run:
                values = selection.read(tile.steps, self.cells.band(tile.rows, tile.columns))
                read.append(values.nbytes)
                yield tile, values

        made = _folded(self.fold, map(blocks, stint.runs))
        self._check(selection, stint)
        return Found(made, len(read), sum(read))

    def _check(self, selection: Selection, stint: Stint) -> None:
        if _axis_of(selection.variable) != self.axis or selection.fingerprint(stint.steps) != stint.state:
            raise Unreadable(
                f"a worker of the cluster sees other files of {self.index!r} than this process does, or they were "
                "changed; it has to see the same ones under the same paths"
            )


def _folded(fold: Fold[T], runs: Iterable[Iterable[Block]]) -> list[T]:
    """What is made of each run; of all in one, where they are of the same samples."""
    made: list[T] = []
    for run in runs:
        made.append(fold.of_run(run))
        if fold.pools:
            made[:] = [fold.join(made)]
    return made


@functools.lru_cache(maxsize=4)
def _library(spec: tuple[str, ...], axis: str) -> Library:  # noqa: ARG001  other times are another opening
    """What a worker has opened; it stays open for what comes next."""
    return open_catalog(list(spec))


def _axis_of(variable: Variable) -> str:
    """A short text that differs where the times or the files do."""
    told = hashlib.sha256(repr((variable.name, len(variable.pieces), variable.pieces.file(0))).encode())
    for part in (variable.axis.labels, variable.piece_of, variable.place_of):
        told.update(part.tobytes())
    return told.hexdigest()
