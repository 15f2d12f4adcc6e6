"""The one style sheet of the widgets."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["STATIC", "sheet"]

STATIC = Path(__file__).parent / "static"
"""Where the sheet and the front ends of the widgets of our own lie."""


@cache
def sheet() -> str:
    """The sheet as an element for an `HTML` widget."""
    return f"<style>{(STATIC / 'style.css').read_text(encoding='utf-8')}</style>"
