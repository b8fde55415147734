"""The check against forged requests (CSRF): each form holds a word of its session."""

from __future__ import annotations

import hmac

from starlette.requests import Request


def is_csrf_token(given: str, request: Request) -> bool:
    """Return whether a form carries the CSRF token of the session that sends it."""
    return hmac.compare_digest(given.encode(), request.state.csrf_token.encode())
