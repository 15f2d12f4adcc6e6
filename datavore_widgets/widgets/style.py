"""The one style sheet of the widgets."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import ipywidgets

__all__ = ["STATIC", "element", "sheet"]

STATIC = Path(__file__).parent / "static"
"""Where the sheet and the front ends of the widgets of our own lie."""


@cache
def sheet() -> str:
    """The sheet as an element for an `HTML` widget."""
    return f"<style>{(STATIC / 'style.css').read_text(encoding='utf-8')}</style>"


def element() -> ipywidgets.HTML:
    """A widget that brings the sheet to the page, and shows nothing."""
    return ipywidgets.HTML(sheet(), layout=ipywidgets.Layout(display="none"))
