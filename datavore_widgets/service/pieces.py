"""The files behind a variable: joined along time, each looked at only when it is needed."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.times import iso
from datavore_widgets.service.files import Source
from datavore_widgets.service.recall import KnownGranule, NamedGranule
from datavore_widgets.service.scan import Found, Granule, scan
from datavore_widgets.service.sphere import around_all, meet

__all__ = ["AnyGranule", "Files", "Piece", "Pieces"]

AnyGranule = Granule | KnownGranule
IntArray = NDArray[np.int64]


@dataclass(eq=False)
class Piece:
    """The part of a variable that one file holds.

    Parameters
    ----------
    source : Source
        The file.
    found : Found
        What is in there.
    fingerprint : hashable
        Of the file when that was looked at.
    named : NamedGranule, optional
        Where nobody has looked at it yet: what its name tells.
    """

    source: Source
    found: Found
    fingerprint: Hashable
    named: NamedGranule | None = None

    def touches(self, bbox: BBox) -> bool:
        """Whether any of its cells shares more than an edge with a box."""
        return meet(self.found.place.bbox, bbox) and self.found.grid.touching(bbox).count > 0

    def check(self, name: str, fingerprint: Hashable) -> None:
        """Go on with a file that was changed only if the variable still has the same cells and times.

        Raises
        ------
        Unreadable
            When it has not.
        """
        if fingerprint == self.fingerprint:
            return
        granule = scan(self.source)
        found = granule.variables.get(name)
        if self.named is not None:
            self.named.remember(granule)
            if found is not None and not np.array_equal(found.labels, self.found.labels):
                named, own = (", ".join(map(iso, some.labels[:2].tolist())) or "none" for some in (self.found, found))
                raise Unreadable(
                    f"the name of {self.source.name!r} stands for the time {named}, in the file it is {own}, which "
                    "counts: open the data again"
                )
        if found is None or not found.is_like(self.found) or granule.fingerprint != fingerprint:
            raise Unreadable(
                f"{self.source.name!r} was changed: {name!r} has other cells or times than before; open it again"
            )
        self.fingerprint, self.named = fingerprint, None


@dataclass(frozen=True, eq=False)
class Order:
    """The times of some files, sorted.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Ascending, each once.
    piece_of, place_of : ndarray of int64, shape (n,)
        The file that holds each, and its position in there.
    again : tuple of ndarray
        Labels and files of the times that an earlier file holds too.
    """

    labels: IntArray
    piece_of: IntArray
    place_of: IntArray
    again: tuple[IntArray, IntArray]

    @classmethod
    def of(cls, parts: Sequence[IntArray]) -> Order:
        """That of the times of each file."""
        labels = np.concatenate(parts)
        sizes = np.array([part.size for part in parts])
        piece_of = np.repeat(np.arange(len(parts)), sizes)
        place_of = np.arange(labels.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        # Of equal times the first in the order of the files is kept; a stable sort puts it first.
        order = np.argsort(labels, kind="stable")
        repeated = np.r_[False, np.diff(labels[order]) == 0] if order.size else np.zeros(0, dtype=bool)
        again = labels[order[repeated]], piece_of[order[repeated]]
        order = order[~repeated]
        return cls(labels[order], piece_of[order], place_of[order], again)


class Files:
    """Files that hold the same variables at different times.

    What variables have in common, their times or their places, is worked out once.

    Parameters
    ----------
    granules : sequence of Granule or KnownGranule
        In the order of the files.
    """

    def __init__(self, granules: Sequence[AnyGranule]) -> None:
        self.granules = tuple(granules)
        self._orders: dict[Hashable, Order] = {}
        self._boxes: dict[Hashable, BBox] = {}
        self._keys: dict[Hashable, tuple[Hashable, ...]] = {}
        self._slots: dict[str, Hashable] = {}

    def order(self, name: str) -> Order:
        """The times of a variable, sorted."""
        slot = self.slot(name)
        if slot not in self._orders:
            self._orders[slot] = Order.of([granule.labels(name) for granule in self.granules])
        return self._orders[slot]

    def bounds(self, name: str) -> IntArray | None:
        """Bounds of the times of a variable, in their order; None unless every file has them."""
        if any(granule.bounds(name) is None for granule in self._products):
            return None
        parts = [pairs for granule in self.granules if (pairs := granule.bounds(name)) is not None]
        if len(parts) < len(self.granules):
            return None
        order, sizes = self.order(name), np.array([len(part) for part in parts])
        return np.asarray(np.concatenate(parts)[(np.cumsum(sizes) - sizes)[order.piece_of] + order.place_of])

    def bbox(self, name: str) -> BBox:
        """The box around the cells of a variable in all files."""
        slot = self.slot(name)
        if slot not in self._boxes:
            boxes = [granule.place_of(name)[1] for granule in self.granules]
            self._boxes[slot] = around_all(boxes if len(self.keys(name)) > 1 else boxes[:1])
        return self._boxes[slot]

    def keys(self, name: str) -> tuple[Hashable, ...]:
        """Keys of the cells of a variable: one, where they are the same in all files."""
        slot = self.slot(name)
        if slot not in self._keys:
            keys = tuple(granule.place_of(name)[0] for granule in self.granules)
            self._keys[slot] = keys if len(set(keys)) > 1 else keys[:1]
        return self._keys[slot]

    def slot(self, name: str) -> Hashable:
        """Equal for variables that have their times and places in common in all files."""
        found = self._slots.get(name)
        if found is None:
            found = self._slots[name] = frozenset(granule.slot(name) for granule in self._products)
        return found

    def dtype(self, name: str) -> np.dtype[Any]:
        """The type that holds the values of a variable in all files."""
        return np.result_type(*(granule.found(name).dtype for granule in self._products))

    @cached_property
    def _products(self) -> list[AnyGranule]:
        """One file of each product."""
        return list({granule.product: granule for granule in reversed(self.granules)}.values())

    @cached_property
    def folder(self) -> str:
        """The folder that holds all the files and folders of them."""
        return os.path.commonpath([os.path.dirname(path) for path in self.number])  # noqa: PTH120  a million of them

    @cached_property
    def number(self) -> dict[str, int]:
        """The place of each file among these, by its path."""
        return {granule.name: number for number, granule in enumerate(self.granules)}


class Pieces(Sequence[Piece]):
    """The pieces of one variable: made when they are used first.

    Parameters
    ----------
    name : str
        Of the variable.
    files : Files
        That hold it.
    """

    def __init__(self, name: str, files: Files) -> None:
        self.name, self.files = name, files
        self._made: dict[int, Piece] = {}

    def __len__(self) -> int:
        return len(self.files.granules)

    @overload
    def __getitem__(self, number: int) -> Piece: ...
    @overload
    def __getitem__(self, number: slice) -> list[Piece]: ...
    def __getitem__(self, number: int | slice) -> Piece | list[Piece]:
        """One piece; of a slice a list of them."""
        if isinstance(number, slice):
            return [self[place] for place in range(*number.indices(len(self)))]
        place = range(len(self))[number]
        piece = self._made.get(place)
        if piece is None:
            granule = self.files.granules[place]
            # Of two threads that make it, one is kept for both.
            named = granule if isinstance(granule, NamedGranule) else None
            mine = Piece(granule.source, granule.found(self.name), granule.fingerprint, named)
            piece = self._made.setdefault(place, mine)
        return piece

    def __iter__(self) -> Iterator[Piece]:
        return (self[number] for number in range(len(self)))

    @property
    def moves(self) -> bool:
        """Whether its cells lie elsewhere in each file, as those of a swath do."""
        return len(self.keys) > 1

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """Keys of its cells: one, where they are the same in all files."""
        return self.files.keys(self.name)

    @property
    def bbox(self) -> BBox:
        """The box around its cells in all files."""
        return self.files.bbox(self.name)

    def file(self, number: int) -> str:
        """The path of a piece's file; empty for a data set in memory."""
        return self.files.granules[number].name
