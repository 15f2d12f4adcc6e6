"""Colours one can see, and the limits they run between."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import anywidget
import ipywidgets
import numpy as np
from traitlets import Dict, TraitError, Unicode, validate

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.answers import Field
from datavore_widgets.protocol.colormap import GROUPS, colormap, default_cmap, names
from datavore_widgets.protocol.geometry import GLOBAL
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import DataQuery
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.style import STATIC
from datavore_widgets.widgets.text import escape, tick_decimals
from datavore_widgets.widgets.units import Scale
from datavore_widgets.widgets.view import View

__all__ = ["ColormapPicker"]

log = logging.getLogger(__name__)

_SWATCH = 32  # colours sent for each map
_MOST_CELLS = 256  # along the longer side of the view: enough for percentiles
_PERCENTILES = (2.0, 98.0)


def _swatches() -> dict[str, str]:
    picked = np.linspace(0, 255, _SWATCH).round().astype(int)
    return {name: colormap(name)[picked].tobytes().hex() for group in GROUPS.values() for name in group}


class _Swatches(anywidget.AnyWidget):
    """The front end: a button with the colours in use, and a list of all. It tells the name that was chosen."""

    _esm = STATIC / "colormap_picker.js"
    groups = Dict().tag(sync=True)
    tables = Dict().tag(sync=True)
    chosen = Unicode("viridis").tag(sync=True)
    advice = Unicode().tag(sync=True)

    @validate("chosen")
    def _known(self, proposal: Any) -> str:
        name = proposal["value"]
        if name not in names():
            raise TraitError(f"there is no colour map {name!r}")
        return str(name)

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: only the choice is its to make."""
        super().set_state({name: value for name, value in sync_data.items() if name == "chosen"})


class ColormapPicker(Panel):
    """Swatches by what they are good for, the limits as numbers, *auto* and *lock*.

    Auto takes the 2nd to 98th percentile of what is in view, once; lock keeps colours and limits when the variable
    changes; default gives back the variable's own.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "colormap-picker"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.swatches = _Swatches(groups={g: list(listed) for g, listed in GROUPS.items()}, tables=_swatches())
        self.low, self.high = (
            ipywidgets.FloatText(description=label, step=None, tooltip=tooltip, continuous_update=False)
            for label, tooltip in (("Min", "Value of the first colour"), ("Max", "Value of the last colour"))
        )
        for field in (self.low, self.high):
            field.style.description_width = "28px"
        self.low.add_class("dv-vmin")
        self.high.add_class("dv-vmax")
        self.auto = ipywidgets.Button(
            description="Auto", tooltip="Limits from what is in view: the 2nd to the 98th percentile, once"
        )
        self.own = ipywidgets.Button(description="Default", tooltip="The variable's own colours and limits")
        self.lock = ipywidgets.ToggleButton(
            description="Lock", icon="unlock", tooltip="Keep colours and limits when date, variable or data change"
        )
        self.logarithmic = ipywidgets.ToggleButton(
            description="Log",
            tooltip="Colours follow the logarithm of the values: for what spreads over orders of magnitude",
        )
        self.logarithmic.add_class("dv-log")
        self.auto.add_class("dv-auto")
        self.lock.add_class("dv-lock")
        self.strip = ipywidgets.HTML()
        self.strip.add_class("dv-hint")
        limits = ipywidgets.HBox([self.low, self.high])
        limits.add_class("dv-limits")
        buttons = ipywidgets.HBox([self.auto, self.own, self.logarithmic, self.lock])
        buttons.add_class("dv-buttons")
        self.fill([self.swatches, limits, buttons, self.strip])

        self._quiet = False
        self.pump: Pump[DataQuery, Field] = Pump(self._work, show=self._found, fail=self._fail, busy=self._busy)
        self.auto.on_click(self._auto)
        self.own.on_click(self._default)
        self.watch(self.swatches, "chosen", self._chose)
        self.watch(self.low, "value", self._typed)
        self.watch(self.high, "value", self._typed)
        self.watch(self.logarithmic, "value", self._chose_scale)
        self.watch(self.lock, "value", lambda change: setattr(self.view, "locked", change["new"]))
        self.watch(self.view, ["cmap", "vmin", "vmax", "scale", "lapse", "locked"], self._refresh)
        self.watch(self.desk, ["scene", "picture"], self._refresh)
        self.watch(self.desk, "playing", self._hold)
        self._refresh()

    def _scale(self) -> Scale:
        picture, scene = self.desk.picture, self.desk.scene
        if scene is None:
            return Scale("")
        return picture.scale if picture is not None and picture.scene is scene else scene.scale()

    def _refresh(self, _change: Any = None) -> None:
        """Show the view, without taking what is shown for a choice."""
        view, picture, scene = self.view, self.desk.picture, self.desk.scene
        drawn = picture.image if picture is not None and picture.scene is scene else None
        self.mark("dv-hidden", scene is not None and scene.is_nowhere)  # nothing is coloured
        self._quiet = True
        try:
            if scene is not None:
                self.swatches.advice = default_cmap(scene.variable)
            used = drawn.cmap if drawn is not None else None
            self.swatches.chosen = view.cmap or used or self.swatches.advice or self.swatches.chosen
            low = view.vmin if view.vmin is not None else drawn.vmin if drawn is not None else None
            high = view.vmax if view.vmax is not None else drawn.vmax if drawn is not None else None
            how = view.scale or (drawn.scale if drawn is not None else "linear")
            if low is not None and high is not None:
                self._show_limits(low, high, how)
            self.logarithmic.value = how == "log"
            self.logarithmic.disabled = scene is not None and scene.variable.kind in ("flags", "direction")
            self.auto.disabled = view.lapse is not None  # it looks at the values of one time
            self.lock.value = view.locked
            self.lock.icon = "lock" if view.locked else "unlock"
        finally:
            self._quiet = False

    def _hold(self, change: Any) -> None:
        """Colours and limits are one for all pictures while they play."""
        for control in (self.low, self.high, self.auto, self.own, self.logarithmic):
            control.disabled = change["new"]

    def _show_limits(self, low: float, high: float, how: str) -> None:
        shown = self._scale().shown([low, high])
        decimals = tick_decimals((high - low) / 100) if high > low else 6
        for field, value in zip((self.low, self.high), shown, strict=True):
            field.value = float(f"{value:.3g}") if how == "log" else round(float(value), decimals)

    def _chose(self, change: Any) -> None:
        if not self._quiet:
            self.view.cmap = change["new"]

    def _typed(self, _change: Any) -> None:
        if self._quiet:
            return
        low, high = (self._scale().native(field.value) for field in (self.low, self.high))
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            self._say("Min must be below Max.")
            return
        self._say("")
        self.view.set(vmin=low, vmax=high)

    def _chose_scale(self, change: Any) -> None:
        if self._quiet:
            return
        wanted = "log" if change["new"] else "linear"
        # Limits that are right for the one may be none for the other, which begins above 0.
        limits = {} if self.view.vmin is not None and self.view.vmin > 0 else {"vmin": None, "vmax": None}
        self.view.set(scale=wanted, **limits)

    def _default(self, _button: Any) -> None:
        self._say("")
        self.view.set(cmap=None, vmin=None, vmax=None, scale=None)

    def _auto(self, _button: Any) -> None:
        scene = self.desk.scene
        if scene is None or not scene.is_of(self.view):
            return
        box = self.view.viewport or scene.info.bbox or GLOBAL
        self.pump.forget()
        self.pump.submit(DataQuery(scene.source(self.view), box, _MOST_CELLS))

    def _work(self, query: DataQuery, job: Job) -> Field:
        field: Field = self.desk.client.answer(query, job)
        return field

    def _found(self, _query: DataQuery, field: Field) -> None:
        values = np.ma.filled(np.ma.asarray(field.data, dtype=np.float64), np.nan)
        valid = values[np.isfinite(values)]
        if self.logarithmic.value:
            valid = valid[valid > 0]
        if not valid.size:
            self._say("No valid value is in view.")
            return
        low, high = (float(v) for v in np.percentile(valid, _PERCENTILES))
        if not low < high:
            self._say("All values in view are equal.")
            return
        self._say("")
        if self.logarithmic.value:
            self.view.set(vmin=float(f"{low:.2g}"), vmax=float(f"{high:.2g}"))
            return
        step = 10.0 ** math.floor(math.log10((high - low) / 100))
        self.view.set(vmin=math.floor(low / step) * step, vmax=math.ceil(high / step) * step)

    def _fail(self, query: DataQuery, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("%r could not be answered", query, exc_info=error)
        self._say(sentence(error))

    def _busy(self, on: bool) -> None:
        self.auto.disabled = on or self.view.lapse is not None

    def _say(self, text: str) -> None:
        self.strip.value = f"<div role='alert'>{escape(text)}</div>" if text else ""

    def release(self) -> None:
        """Cancel what is under way."""
        self.pump.close()
