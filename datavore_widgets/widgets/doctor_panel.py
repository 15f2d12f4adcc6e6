"""What the files behind a variable are: what was mended on opening, what is doubtful, what cannot be shown."""

from __future__ import annotations

import logging
from typing import Any

import ipywidgets

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.diagnosis import Checkup, Diagnosis, as_text, without_path
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import DoctorQuery
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.text import escape, thousands
from datavore_widgets.widgets.view import View

__all__ = ["DoctorPanel"]

log = logging.getLogger(__name__)

_MOST_FILES = 20
_PATIENCE = 0.5  # seconds that an examination which is no longer wished for may go on


class DoctorPanel(Panel):
    """The doctor's words about the first files of the variable, the doubtful ones open, and about what was left out.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "doctor"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self._head = ipywidgets.HTML()
        self._head.add_class("dv-files-head")
        self._said = ipywidgets.HTML()
        self._said.add_class("dv-doctor-said")
        tools = ipywidgets.HBox([self._head])
        tools.add_class("dv-files-tools")
        self.fill([tools, self._said])
        self.pump: Pump[DoctorQuery, Checkup] = Pump(
            self._work, show=self._show, fail=self._fail, busy=self._busy, patience=_PATIENCE
        )
        self.watch(self.desk, "scene", self._wish)
        self._wish()

    def face(self, on: bool) -> None:
        """Behind others, it asks nothing."""
        super().face(on)
        self._wish()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is still to come."""
        return self.pump.is_idle

    def _wish(self, _change: Any = None) -> None:
        scene = self.desk.scene
        if scene is not None and scene.is_of(self.view) and self.is_facing:
            self.pump.submit(DoctorQuery(scene.info.index, scene.variable.name, _MOST_FILES))

    def _work(self, query: DoctorQuery, job: Job) -> Checkup:
        found: Checkup = self.desk.client.answer(query, job)
        return found

    def _busy(self, on: bool) -> None:
        if on:
            self._head.value = "<div role='status'>Looking at the files …</div>"

    def _show(self, _query: DoctorQuery, found: Checkup) -> None:
        looked, total = len(found.files), found.total
        doubtful = sum(one.state != "well" for one in found.files)
        counted = f"{thousands(looked)} of {thousands(total)} files" if looked < total else f"{thousands(total)} file"
        counted += "" if looked < total or total == 1 else "s"
        verdict = f"{doubtful} with something to say" if doubtful else "nothing to say against them" if looked else ""
        self._head.value = f"<strong>{counted}</strong> behind this variable · {verdict}"
        left_out = "".join(
            f"<div class='dv-doctor-refused'>{escape(path)}: {escape(without_path(path, reason))}</div>"
            for path, reason in found.problems.items()
        )
        if left_out:
            left_out = f"<details open><summary>Said when the data were opened</summary>{left_out}</details>"
        self._said.value = "".join(_file(one, looked == 1) for one in found.files) + left_out

    def _fail(self, query: DoctorQuery, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("%r could not be answered", query, exc_info=error)
        self._head.value = f"<div role='alert'>{escape(sentence(error))}</div>"
        self._said.value = ""

    def release(self) -> None:
        """Cancel what is under way."""
        self.pump.close()


def _file(found: Diagnosis, alone: bool) -> str:
    (state, head), *rest = as_text(found)
    lines = "".join(f"<div class='dv-doctor-{escape(how or 'fact')}'>{escape(text)}</div>" for how, text in rest)
    is_open = " open" if alone or state != "well" else ""
    return (
        f"<details{is_open}><summary class='dv-doctor-{escape(state)}'>{escape(head)}</summary>"
        f"<div class='dv-doctor-lines'>{lines}</div></details>"
    )
