"""Notebooks of one cell, for a page to show."""

from __future__ import annotations

import json


def notebook_of(source: str) -> str:
    """The text of a notebook with one cell."""
    cell = {"cell_type": "code", "id": "a", "execution_count": None, "metadata": {}, "outputs": []}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": [{**cell, "source": source}], "metadata": {"kernelspec": kernel}}
    return json.dumps({**content, "nbformat": 4, "nbformat_minor": 5})
