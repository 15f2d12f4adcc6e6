"""From what people give as a source of tables to a service that answers HiveQL about it."""

from __future__ import annotations

from typing import Any

from datavore_widgets.protocol.sql import SqlService

__all__ = ["connect_sql"]


def connect_sql(spec: Any = None) -> SqlService:
    """A service over files (or the sample, for None); what is a service already is given back.

    The engine over files loads when it is asked for.
    """
    if callable(getattr(spec, "answer", None)):
        service: SqlService = spec
        return service
    from datavore_widgets.service.tables import TableService

    return TableService(spec)
