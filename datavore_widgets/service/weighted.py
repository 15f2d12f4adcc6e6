"""Weighted statistics of each step over its cells, and of groups of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.service.series import Block, Fold, missing_of

__all__ = ["Parts", "Weighted", "grouped", "weighing", "weighted"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Parts = Callable[[FloatArray], FloatArray]
"""Makes of values what is averaged: NaN for what does not count; with k parts, shape (k, nt, ny, nx)."""


@dataclass(frozen=True, eq=False)
class Weighted:
    """Statistics of samples side by side, shape (n,), of k parts each.

    Parameters
    ----------
    count : ndarray of int64, shape (n,)
        Values that count.
    weight : ndarray of float64, shape (n,)
        What they weigh together.
    mean, m2 : ndarray of float64, shape (k, n)
        Weighted means, NaN without values, and weighted sums of squared deviations from them.
    """

    count: IntArray
    weight: FloatArray
    mean: FloatArray
    m2: FloatArray

    @classmethod
    def of(cls, parts: FloatArray, weights: FloatArray) -> Weighted:
        """Of the cells of each step.

        Parameters
        ----------
        parts : ndarray of float64, shape (k, nt, ny, nx)
            Missing is NaN, in all parts or none.
        weights : ndarray of float64, shape (ny, nx)
        """
        k, nt = parts.shape[:2]
        flat = parts.reshape(k, nt, -1)
        meant = np.flatnonzero(weights.ravel() > 0)
        flat, weigh = (flat, weights.ravel()) if meant.size == weights.size else (flat[..., meant], weights.flat[meant])
        there = ~np.isnan(flat[0])
        count = np.count_nonzero(there, axis=1)
        gaps = count.min(initial=flat.shape[-1]) < flat.shape[-1]
        total = there @ weigh if gaps else np.full(nt, weigh.sum())
        flat = np.where(there, flat, 0.0) if gaps else flat
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (flat @ weigh) / np.where(count > 0, total, np.nan)
            apart = flat - mean[..., None]
        if gaps:
            np.copyto(apart, 0.0, where=~there)
        np.multiply(apart, apart, out=apart)
        return cls(count.astype(np.int64), total, mean, apart @ weigh)

    @classmethod
    def none(cls, samples: int, parts: int) -> Weighted:
        """Samples without any value."""
        shape = parts, samples
        return cls(np.zeros(samples, dtype=np.int64), np.zeros(samples), np.full(shape, np.nan), np.zeros(shape))

    @classmethod
    def join(cls, several: Iterable[Weighted]) -> Weighted:
        """Samples one behind the other."""
        listed = list(several)
        return cls(*(np.concatenate([getattr(one, f.name) for one in listed], axis=-1) for f in fields(cls)))

    def __add__(self, other: Weighted) -> Weighted:
        """Samples pooled one by one (Chan, Golub, LeVeque 1983, eq. 2.1, with weights)."""
        weight = self.weight + other.weight
        both = (self.count > 0) & (other.count > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = other.weight / weight
            delta = other.mean - self.mean
            mean = np.where(both, self.mean + delta * share, np.where(self.count > 0, self.mean, other.mean))
            m2 = self.m2 + other.m2 + np.where(both, delta**2 * self.weight * share, 0.0)
        return Weighted(self.count + other.count, weight, mean, m2)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(int(getattr(self, f.name).nbytes) for f in fields(self))


def weighing(first_row: int, weights: FloatArray, parts: Parts) -> Fold[Weighted]:
    """Statistics of each step over the cells.

    Parameters
    ----------
    first_row : int
        Of the data, where `weights` begin.
    """
    return Fold("weighing", partial(_of_run, first_row, weights, parts), Weighted.join)


def _of_run(first_row: int, weights: FloatArray, parts: Parts, blocks: Iterable[Block]) -> Weighted:
    return weighted(blocks, first_row, weights, parts)


def weighted(blocks: Iterable[Block], first_row: int, weights: FloatArray, parts: Parts) -> Weighted:
    """Statistics of each step over the cells, of blocks in the order of steps."""
    done: list[Weighted] = []
    steps: slice | None = None
    for tile, values in blocks:
        rows = slice(tile.rows.start - first_row, tile.rows.stop - first_row)
        filled = np.array(np.ma.getdata(values), dtype=np.float64)
        np.copyto(filled, np.nan, where=missing_of(values))
        made = Weighted.of(parts(filled), weights[rows, tile.columns])
        if tile.steps == steps:
            done[-1] = done[-1] + made
        else:
            done.append(made)
        steps = tile.steps
    return Weighted.join(done)


def grouped(steps: Weighted, group: IntArray, size: int, lengths: FloatArray) -> tuple[Weighted, FloatArray]:
    """Means over the steps of each group by their length, and their deviations in time alone.

    Parameters
    ----------
    group : ndarray of int64, shape (n,)
        Of each step; -1 for none.
    size : int
        Number of groups.
    lengths : ndarray of float64, shape (n,)
        What each step weighs.

    Returns
    -------
    whole : Weighted
        With the steps' own spread in `m2`, each step's by its length; `weight` is the length of the steps with values.
    in_time : ndarray of float64, shape (k, size)
        Weighted sums of squared deviations of the steps' means.
    """
    used = (group >= 0) & (steps.count > 0)
    into, length = group[used], lengths[used]

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(into, values, minlength=size).astype(np.float64)

    weight = summed(length)
    with np.errstate(invalid="ignore", divide="ignore"):
        # About a mean of the group's own first, so that large means cost no digits.
        rough = np.stack([summed(length * mean) / weight for mean in steps.mean[:, used]])
        mean = rough + np.stack(
            [summed(length * (m - r[into])) / weight for m, r in zip(steps.mean[:, used], rough, strict=True)]
        )
        spread = steps.m2[:, used] / steps.weight[used]
    in_time = np.stack(
        [summed(length * (m - whole[into]) ** 2) for m, whole in zip(steps.mean[:, used], mean, strict=True)]
    )
    within = np.stack([summed(length * part) for part in spread])
    count = np.bincount(into, steps.count[used], minlength=size).astype(np.int64)
    return Weighted(count, weight, mean, within + in_time), in_time
