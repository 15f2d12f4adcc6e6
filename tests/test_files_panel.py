"""The files behind the picture, asked for only where somebody looks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fields
import pytest

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets.protocol.answers import FileList
from datavore_widgets.protocol.queries import FilesQuery
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.explorer import Explorer
from datavore_widgets.widgets.files_panel import FilesPanel
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.view import View


class Counted:
    """A service that writes down which files it is asked for."""

    def __init__(self, service: LocalService) -> None:
        self.service = service
        self.asked: list[FilesQuery] = []

    def answer(self, query: Any, job: Any = None) -> Any:
        if isinstance(query, FilesQuery):
            self.asked.append(query)
        return self.service.answer(query, job)


@pytest.fixture
def months(tmp_path: Path) -> Iterator[Counted]:
    """Six months of a field, two in each of three files; one of them has a hostile name."""
    whole = fields.field(times=6)
    for number, name in enumerate(("a", "<img src=x onerror=alert(1)>", "c")):
        whole.isel(time=slice(2 * number, 2 * number + 2)).to_netcdf(tmp_path / f"{name}.nc")
    with LocalService(tmp_path) as service:
        yield Counted(service)


def test_it_lists_the_files_of_the_picture_and_of_a_lapse(months: Counted) -> None:
    view = View(date="2012-01")
    panel = FilesPanel(months, view)
    assert [Path(name).name for name in panel.found.files] == ["a.nc"]
    assert "<strong>1 file</strong>" in panel._head.value
    view.date = "2012-04"
    assert [Path(name).name for name in panel.found.files] == ["<img src=x onerror=alert(1)>.nc"]
    assert "<img" not in panel._list.value
    assert "&lt;img" in panel._list.value
    view.lapse = "2012-02,2012-05"
    assert len(panel.found.files) == 3
    assert "<strong>3 files</strong>" in panel._head.value


def test_nobody_asks_for_files_that_nobody_looks_at(months: Counted) -> None:
    explorer = Explorer(months, View(date="2012-01"))
    explorer.view.date = "2012-03"
    assert months.asked == []
    explorer.deck.buttons.value = "Files"
    assert len(months.asked) == 1
    explorer.view.date = "2012-04"
    assert len(months.asked) == 2
    explorer.deck.buttons.value = "Series"
    explorer.view.date = "2012-05"
    assert len(months.asked) == 2
    explorer.deck.buttons.value = "Files"
    assert len(months.asked) == 3
    explorer.close()


def test_footprints_are_drawn_while_they_are_wanted() -> None:
    view = View()
    shown = DatavoreMap(LocalService(fields.field()), view)
    panel = FilesPanel(None, view, on=shown)
    panel.pump.close()
    panel._show(
        FilesQuery(view.index, "sst"), FileList(("a",), footprints=(((170.0, -5.0), (190.0, -5.0), (190.0, 5.0)),))
    )
    assert panel.lines not in shown.map.layers
    panel.outlines.value = True
    assert panel.lines in shown.map.layers
    assert (-5.0, 190.0) in panel.lines.locations[1]
    assert (-5.0, -170.0) in panel.lines.locations[0]  # on each copy of the world
    panel.outlines.value = False
    assert panel.lines not in shown.map.layers
    panel.close()
