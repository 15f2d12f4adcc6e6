"""Payloads and errors as HTTP responses."""

from __future__ import annotations

import json

from starlette.responses import Response

from datavore_widgets.errors import DatavoreError, ServerError
from datavore_widgets.protocol import problems
from datavore_widgets.protocol.payloads import Payload

__all__ = ["BUSY", "answer_reply", "problem_reply"]

BUSY = 429
"""The status that asks to come back later."""


def answer_reply(payload: Payload) -> Response:
    """An answer. Files may change under a server, so whoever keeps it asks again before using it."""
    headers = {**payload.headers, "Cache-Control": "no-cache"}
    return Response(payload.body, headers=headers, media_type=payload.media_type)


def problem_reply(error: DatavoreError, status: int | None = None) -> Response:
    """A problem document; the status is the error's own unless another is given."""
    if status is None and isinstance(error, ServerError) and error.code == BUSY:
        status = BUSY
    problem = problems.problem_from_error(error, status)
    headers = {"Retry-After": "1"} if problem["status"] == BUSY else {}
    return Response(json.dumps(problem).encode("ascii"), problem["status"], headers, problems.MEDIA_TYPE)
