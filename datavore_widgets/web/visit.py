"""What the address of a visitor's page says, told to the explorer."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datavore_widgets.widgets.explorer import Explorer
    from datavore_widgets.widgets.sentinel1 import Sentinel1Viewer

__all__ = ["visit"]

_SETTLED_WITHIN = 8.0  # seconds


async def visit(explorer: Explorer | Sentinel1Viewer) -> None:
    """Follow the link by which the page was opened, and wait until what it asks for is drawn.

    A kernel that stands by has drawn the explorer already, and waits here until somebody comes. The page takes over the
    widgets when this is done: what changed while it does would not reach it.
    """
    if os.environ.get("VOILA_PREHEAT") == "True":
        from voila.utils import wait_for_request

        wait_for_request()
    explorer.visit(os.environ.get("QUERY_STRING", ""))
    until = time.monotonic() + _SETTLED_WITHIN
    while not explorer.is_idle and time.monotonic() < until:
        await asyncio.sleep(0.01)
