"""Looks at a catalogue from time to time, for as long as its list of files is growing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from datavore_widgets.protocol.answers import Catalog
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import CatalogQuery
from datavore_widgets.widgets.pump import Pump

__all__ = ["GrowthWatch"]

log = logging.getLogger(__name__)

_EVERY = 3.0
"""Seconds between two looks."""


class GrowthWatch:
    """Asks for the catalogue again until it is whole.

    Where no loop runs (a plain script) nothing is asked again.

    Parameters
    ----------
    client
        Anything with `answer`.
    catalog : Catalog
        As it was answered; one that is whole already is not asked for again.
    show : callable
        `show(catalog)`, on the loop: at first of a catalogue that grows, after each look, and when it is whole.
    """

    def __init__(self, client: Any, catalog: Catalog, show: Callable[[Catalog], None]) -> None:
        self._client = client
        self._show = show
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0
        self._pump: Pump[int, Catalog] = Pump(self._ask, show=self._shown, fail=self._failed)
        if catalog.growth is not None:
            self._shown(0, catalog)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._pump.close()

    def look(self) -> None:
        """Look now."""
        self._looks += 1
        self._pump.submit(self._looks)

    def _ask(self, _look: int, job: Job) -> Catalog:
        catalog: Catalog = self._client.answer(CatalogQuery(), job)
        return catalog

    def _shown(self, _look: int, catalog: Catalog) -> None:
        self._show(catalog)
        if catalog.growth is not None:
            self._later()

    def _failed(self, _look: int, error: Exception) -> None:
        log.debug("the catalogue could not be asked for: %s", error)
        self._later()

    def _later(self) -> None:
        try:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self.look)
        except RuntimeError:
            self._timer = None
