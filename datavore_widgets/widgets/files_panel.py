"""The files that the picture and the series come from, and where they lie."""

from __future__ import annotations

import logging
from typing import Any

import ipyleaflet
import ipywidgets

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.answers import FileList
from datavore_widgets.protocol.geometry import GLOBAL
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.places import area
from datavore_widgets.protocol.queries import FilesQuery
from datavore_widgets.protocol.times import WHOLE_LAPSE
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.copy_button import CopyButton
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.text import escape, thousands
from datavore_widgets.widgets.view import View

__all__ = ["FilesPanel"]

log = logging.getLogger(__name__)

_MOST_LISTED = 500
_MOST_DRAWN = 300
_SHORTEST = 3  # corners of an outline


class FilesPanel(Panel):
    """The files behind what is looked at: in the box, or in what the map shows, and at the times of the picture.

    Parameters
    ----------
    client, view
        See `Panel`.
    on : DatavoreMap, optional
        Where their footprints are drawn.
    """

    name = "files"

    def __init__(self, client: Any = None, view: View | None = None, *, on: DatavoreMap | None = None) -> None:
        super().__init__(client, view)
        self._map = on
        self.found = FileList(())
        self._head = ipywidgets.HTML()
        self._head.add_class("dv-files-head")
        self._list = ipywidgets.HTML()
        self._list.add_class("dv-files-list")
        self.outlines = ipywidgets.ToggleButton(
            description="Footprints", icon="object-ungroup", tooltip="Draw on the map where each file has data"
        )
        copy = CopyButton("Copy", "Copy the names, one a line", lambda: "\n".join(self.found.files))
        copy.add_class("dv-files-copy")
        tools = ipywidgets.HBox([self._head, *([] if on is None else [self.outlines]), copy])
        tools.add_class("dv-files-tools")
        self.lines = ipyleaflet.Polyline(name="Footprints", locations=[], fill=False, weight=2, pane="dv-footprints")
        self.fill([tools, self._list])
        self.pump: Pump[FilesQuery, FileList] = Pump(self._work, show=self._show, fail=self._fail)
        self.watch(self.view, ["bbox", "viewport", "date", "lapse", "window"], self._wish)
        self.watch(self.desk, "scene", self._wish)
        self.watch(self.outlines, "value", self._draw)
        self._wish()

    def face(self, on: bool) -> None:
        """Behind others, it asks nothing, unless its footprints are on the map."""
        super().face(on)
        self._wish()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is still to come."""
        return self.pump.is_idle

    def _wish(self, _change: Any = None) -> None:
        scene, view = self.desk.scene, self.view
        if scene is None or not scene.is_of(view) or not (self.is_facing or self.outlines.value):
            return
        lapse = WHOLE_LAPSE if not len(scene.times.axis) else view.lapse or scene.reach(view)
        box = view.bbox or view.viewport or GLOBAL
        self.pump.submit(FilesQuery(scene.info.index, scene.variable.name, box, lapse, footprints=True))

    def _work(self, query: FilesQuery, job: Job) -> FileList:
        found: FileList = self.desk.client.answer(query, job)
        return found

    def _show(self, query: FilesQuery, found: FileList) -> None:
        self.found = found
        self.outlines.disabled = found.footprints is None  # a server may not tell them
        count = len(found.files)
        where = "the box" if self.view.bbox is not None else "view"
        counted = f"{thousands(count)} file{'' if count == 1 else 's'}"
        self._head.value = (
            f"<strong>{counted}</strong> with data in {where} at the times of the picture "
            f"<span class='dv-muted'>{escape(area(query.bbox))}</span>"
        )
        rows = "".join(f"<li title='{escape(name)}'>{escape(name)}</li>" for name in found.files[:_MOST_LISTED])
        more = f"<p class='dv-muted'>and {thousands(count - _MOST_LISTED)} more</p>" if count > _MOST_LISTED else ""
        self._list.value = f"<ol tabindex='0' aria-label='Files'>{rows}</ol>{more}" if count else ""
        self._draw()

    def _fail(self, query: FilesQuery, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("%r could not be answered", query, exc_info=error)
        self.found = FileList(())
        self._head.value = f"<div role='alert'>{escape(sentence(error))}</div>"
        self._list.value = ""
        self._draw()

    def _draw(self, _change: Any = None) -> None:
        if self._map is None:
            return
        outlines = (self.found.footprints or ())[:_MOST_DRAWN] if self.outlines.value else ()
        rings = [
            [(lat, lon + turn) for lon, lat in (*outline, outline[0])]
            for outline in outlines
            if len(outline) >= _SHORTEST
            for turn in (-360.0, 0.0, 360.0)
        ]
        if self.lines.locations != rings:
            self.lines.locations = rings
        leaflet = self._map.map
        if bool(rings) != (self.lines in leaflet.layers):
            (leaflet.add if rings else leaflet.remove)(self.lines)

    def release(self) -> None:
        """Cancel what is under way, and take the footprints off the map."""
        self.pump.close()
        if self._map is not None and self.lines in self._map.map.layers:
            self._map.map.remove(self.lines)
        close_whole(self.lines)
