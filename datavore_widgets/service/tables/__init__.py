"""SQL over local files."""

from datavore_widgets.service.tables.engine import TableService

__all__ = ["TableService"]
