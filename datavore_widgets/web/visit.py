"""What the address of a visitor's page says, told to the explorer."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING

from tornado.websocket import websocket_connect

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
        await _visitor()
    explorer.visit(os.environ.get("QUERY_STRING", ""))
    until = time.monotonic() + _SETTLED_WITHIN
    while not explorer.is_idle and time.monotonic() < until:
        await asyncio.sleep(0.01)


async def _visitor() -> None:
    """Wait until somebody comes, and take over what is known of the request, as CGI names it.

    Voila has a function for it, which takes a second: it loads the whole of Voila into the kernel.
    """
    port, base, kernel = (os.environ[f"VOILA_{name}"] for name in ("APP_PORT", "SERVER_URL", "KERNEL_ID"))
    connection = await websocket_connect(f"ws://127.0.0.1:{port}{base}voila/query/{kernel}")
    told = await connection.read_message()
    connection.close()
    if told is not None:  # else the site has ended
        os.environ.update(json.loads(told))
