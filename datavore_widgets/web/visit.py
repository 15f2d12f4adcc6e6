"""What the address of a visitor's page says, told to the explorer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datavore_widgets.widgets.explorer import Explorer
    from datavore_widgets.widgets.sentinel1 import Sentinel1Viewer

__all__ = ["visit"]


def visit(explorer: Explorer | Sentinel1Viewer) -> None:
    """Follow the link by which the page was opened.

    A kernel that stands by has drawn the explorer already, and waits here until somebody comes.
    """
    if os.environ.get("VOILA_PREHEAT") == "True":
        from voila.utils import wait_for_request

        wait_for_request()
    explorer.visit(os.environ.get("QUERY_STRING", ""))
