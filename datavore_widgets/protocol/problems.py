"""Errors as problem documents (RFC 9457) and back: the same class and the same sentence on both sides."""

from __future__ import annotations

import json
from typing import Any

from datavore_widgets import errors
from datavore_widgets.errors import DatavoreError, ServerError

__all__ = ["MEDIA_TYPE", "error_from_problem", "problem_from_error"]

MEDIA_TYPE = "application/problem+json"

_CLASSES: dict[str, type[DatavoreError]] = {
    kind.slug: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DatavoreError)
}


def problem_from_error(error: DatavoreError, status: int | None = None) -> dict[str, Any]:
    """The document that tells an error: `type` is the error's slug, `detail` its sentence."""
    problem: dict[str, Any] = {
        "type": error.slug,
        "title": (type(error).__doc__ or "").strip().split("\n")[0],
        "status": status or error.status,
        "detail": str(error),
        "suggestions": list(error.suggestions),
    }
    if isinstance(error, ServerError):
        problem["code"] = error.code
    return problem


def error_from_problem(body: bytes) -> DatavoreError | None:
    """The error that a problem document tells, or None when it is no document of ours."""
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(problem, dict):
        return None
    kind, detail = _CLASSES.get(str(problem.get("type"))), problem.get("detail")
    if kind is None or not isinstance(detail, str):
        return None
    listed = problem.get("suggestions")
    suggestions = [str(item) for item in listed] if isinstance(listed, list) else []
    if issubclass(kind, ServerError):
        code = problem.get("code")
        return kind(detail, suggestions=suggestions, code=code if isinstance(code, int) else 500)
    return kind(detail, suggestions=suggestions)
