"""Taking widgets off the page with all that they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

__all__ = ["close_whole"]


def close_whole(widget: ipywidgets.Widget, keep: Sequence[ipywidgets.Widget] = ()) -> None:
    """Close a widget and all that it holds: children, layers, scales, layouts, styles.

    ipywidgets closes only the widget that it is told to; the rest would stay in the kernel for good.
    """
    for part in _parts(widget, {id(kept) for kept in keep}):
        part.unobserve_all()
        ipywidgets.Widget.close(part)


def _parts(widget: ipywidgets.Widget, seen: set[int]) -> list[ipywidgets.Widget]:
    """A widget and all that it holds, the inner ones first."""
    seen.add(id(widget))
    found = []
    for name in widget.keys:
        value = getattr(widget, name, None)
        held = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        for part in held:
            if isinstance(part, ipywidgets.Widget) and id(part) not in seen:
                found.extend(_parts(part, seen))
    return [*found, widget]
