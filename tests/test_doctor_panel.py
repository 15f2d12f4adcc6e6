"""The doctor's words in the explorer: asked where somebody looks, and text whatever a file says."""

from __future__ import annotations

import warnings
from pathlib import Path

import fields
import numpy as np

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets.protocol.queries import DoctorQuery
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.doctor_panel import DoctorPanel
from datavore_widgets.widgets.explorer import Explorer
from datavore_widgets.widgets.view import View

HOSTILE = "<img src=x onerror=alert(1)>"


def test_a_sound_file_is_told_and_a_doubtful_one_is_open(tmp_path: Path) -> None:
    fields.field(times=2).to_netcdf(tmp_path / "a.nc")
    leaking = fields.field(times=2, start="2012-03", hole=False)
    leaking["sst"][:, 3, 4] = -9999.0
    leaking.attrs["title"] = HOSTILE
    leaking.to_netcdf(tmp_path / "b.nc")
    with LocalService(tmp_path) as service:
        panel = DoctorPanel(service)
        assert "<strong>2 files</strong> behind this variable · 1 with something to say" in panel._head.value
        sound, doubtful = panel._said.value.split("</details>")[:2]
        assert sound.startswith("<details>")
        assert "a.nc" in sound
        assert doubtful.startswith("<details open>")
        assert "9999" in doubtful
        assert "<img" not in panel._said.value


def test_what_was_left_out_is_told_with_its_reason(tmp_path: Path) -> None:
    fields.field(times=2).to_netcdf(tmp_path / "a.nc")
    (tmp_path / "broken.nc").write_bytes(np.arange(100, dtype=np.uint8).tobytes())
    with LocalService(tmp_path) as service:
        panel = DoctorPanel(service)
        assert panel._said.value.count("broken.nc") == 1
        assert "Said when the data were opened" in panel._said.value


def test_nobody_is_examined_behind_the_others() -> None:
    asked = []

    class Watched(LocalService):
        def answer(self, query, job=None):
            asked.append(type(query))
            return super().answer(query, job)

    explorer = Explorer(Watched({"sea": fields.field(), "deep": fields.with_depth()}), View(index="sea"))
    assert DoctorQuery not in asked
    explorer.deck.buttons.value = "Doctor"
    assert asked.count(DoctorQuery) == 1
    explorer.deck.buttons.value = "Series"
    explorer.view.index = "deep"
    assert asked.count(DoctorQuery) == 1
    explorer.deck.buttons.value = "Doctor"
    assert asked.count(DoctorQuery) == 2
    explorer.close()
