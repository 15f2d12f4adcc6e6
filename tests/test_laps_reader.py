"""Reading ahead while data are prepared: what overlaps, what memory has no room for, and when it ends."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_laps import write

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.index import Variable
from datavore_widgets.service.laps import build, reader
from datavore_widgets.service.laps.folder import STEPS
from datavore_widgets.service.laps.prepare import prepare

SHAPE = 2 * STEPS + 40, 16, 24
SEGMENT = STEPS * 16 * 24 * 2
"""Bytes of a whole one."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    values = np.random.default_rng(41).integers(-3000, 3000, SHAPE).astype(np.int16)
    return write(tmp_path / "v.nc", values)


def told_by(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is read and written, and from which step on, as it happens."""
    told: list[tuple[str, int]] = []
    in_memory, build_segment = reader.Reader._in_memory, build.build_segment

    def reads(self: reader.Reader, steps: slice, *how: Any) -> reader.Stack:
        told.append(("reads", steps.start))
        return in_memory(self, steps, *how)

    def builds(*how: Any) -> None:
        build_segment(*how)
        told.append(("wrote", sum(word == "wrote" for word, _ in told) * STEPS))

    monkeypatch.setattr(reader.Reader, "_in_memory", reads)
    monkeypatch.setattr("datavore_widgets.service.laps.prepare.build_segment", builds)
    return told


def test_a_segment_is_read_while_the_one_before_is_written(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = told_by(monkeypatch)
    turned: list[bool] = []
    turn = build._Making._turn

    def turns(self: build._Making, *how: Any) -> None:
        wanted = ("reads", (len(turned) + 1) * STEPS)
        deadline = time.monotonic() + 10
        while wanted not in told and wanted[1] < SHAPE[0] and time.monotonic() < deadline:
            time.sleep(0.01)
        turned.append(wanted in told)
        turn(self, *how)

    monkeypatch.setattr(build._Making, "_turn", turns)
    prepare(path, folder=tmp_path / "laps")
    assert turned == [True, True, False]
    assert [word for word in told if word[0] == "wrote"] == [("wrote", 0), ("wrote", STEPS), ("wrote", 2 * STEPS)]


@pytest.mark.parametrize("copies", [True, False])
def test_memory_holds_no_more_than_it_may(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, copies: bool
) -> None:
    monkeypatch.setattr(reader, "_HELD", SEGMENT * 3 // 2)
    told = told_by(monkeypatch)
    prepare(path, folder=tmp_path / "laps", fields=copies)
    # The last one is short, and has room beside a whole one.
    assert told.index(("wrote", 0)) < told.index(("reads", STEPS))
    assert sorted(told) == sorted((word, start) for word in ("reads", "wrote") for start in (0, STEPS, 2 * STEPS))


def test_what_is_kept_is_the_same_by_way_of_memory_and_of_files(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [held] = prepare(path, folder=tmp_path / "held", fields=True)
    monkeypatch.setattr(reader, "_HELD", 0)
    [staged] = prepare(path, folder=tmp_path / "staged", fields=True)
    names = sorted(file.name for file in held.folder.iterdir())
    assert names == sorted(file.name for file in staged.folder.iterdir())
    assert sum(name.endswith(".fields") for name in names) == 3
    for name in names:
        assert (held.folder / name).read_bytes() == (staged.folder / name).read_bytes()


def test_an_error_ends_the_reading_ahead(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_READ", 1)
    ahead = threading.Event()
    read: list[int] = []
    stored = Variable.stored

    def waits(self: Variable, steps: slice, at: tuple[int, ...], job: Job | None = None) -> Any:
        if job is not None and steps.start >= STEPS:
            read.append(steps.start)
            deadline = time.monotonic() + 10
            # The first piece is under way until it is told to end; the others would come one by one.
            while not ahead.is_set() or (len(read) == 1 and not job.cancelled and time.monotonic() < deadline):
                ahead.set()
                time.sleep(0.01)
        return stored(self, steps, at, job)

    def fails(*_: Any) -> None:
        assert ahead.wait(10)
        raise OSError("the disk is gone")

    monkeypatch.setattr(Variable, "stored", waits)
    monkeypatch.setattr(build._Making, "_turn", fails)
    with pytest.raises(Unreadable, match="the disk is gone"):
        prepare(path, folder=tmp_path / "laps")
    assert read == [STEPS]
