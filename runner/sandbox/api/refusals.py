"""The documented refusals and how each API version words them.

v2 codes, statuses and ``details`` fields: InboxHQ/inboxapp-sdk spec/openapi.json. v1 codes and
statuses: docs.inboxapp.com reference/error-codes and reference/rate-limits. Where no public source
gives a value the sandbox says ``UNDOCUMENTED``, so that no client comes to rely on it.
"""

from dataclasses import dataclass, field
from typing import Any

UNDOCUMENTED = "UNDOCUMENTED"


@dataclass(frozen=True)
class Wording:
    """One refusal: v2 status, v1 status and code, text for people, and the default details."""

    status: int
    v1_status: int
    v1_code: str
    message: str
    details: dict[str, Any] | None = None


def _undocumented(status: int) -> str:
    return f"{UNDOCUMENTED}_{status}"


_SEND = {"capability": "message:send"}

WORDINGS: dict[str, Wording] = {
    "invalidRequest": Wording(
        400, 400, _undocumented(400), "The request does not fit the schema.", {"issues": []}
    ),
    # v1 alone tells unreadable JSON (400) from readable JSON with bad values (422).
    "invalidValues": Wording(
        400, 422, _undocumented(422), "The request holds bad values.", {"issues": []}
    ),
    "invalidCursor": Wording(400, 400, _undocumented(400), "The cursor is not known."),
    "unauthorized": Wording(401, 401, "UNAUTHORIZED", "Invalid or missing authentication token"),
    "platformNotAvailable": Wording(
        403, 403, "FORBIDDEN", "This team may not use the platform.", {"platform": "twitter"}
    ),
    "planRequired": Wording(
        403, 403, "FORBIDDEN", "The plan or an add-on is missing.", {"feature": UNDOCUMENTED}
    ),
    "workspaceLocked": Wording(403, 403, "FORBIDDEN", "The workspace is locked."),
    "threadNotFound": Wording(404, 404, "THREAD_NOT_FOUND", "No such thread."),
    "contactNotFound": Wording(404, 404, "PROSPECT_NOT_FOUND", "No such person."),
    "accountLinkNotFound": Wording(404, 403, "FORBIDDEN", "No such account link in this team."),
    "tagNotFound": Wording(404, 404, _undocumented(404), "No such tag."),
    "nameTaken": Wording(409, 409, _undocumented(409), "The name is taken.", {"name": ""}),
    "tagLimitReached": Wording(
        422, 422, _undocumented(422), "The team has as many tags as it may.", {"max": 12345}
    ),
    "messageNotFound": Wording(404, 404, _undocumented(404), "No such message."),
    "sendInProgress": Wording(
        409, 409, _undocumented(409), "A send with this key is still running.", {"messageId": ""}
    ),
    "accountLinkDisconnected": Wording(
        409,
        403,
        "FORBIDDEN",
        "The account link cannot send now.",
        {"accountLinkId": "", "status": "offline"},
    ),
    "integrationSetupRequired": Wording(
        409, 409, _undocumented(409), "The account link is not set up.", {"accountLinkId": ""}
    ),
    "idempotencyKeyReused": Wording(
        422, 422, _undocumented(422), "The key was used for a different request."
    ),
    "threadRestricted": Wording(
        422, 422, _undocumented(422), "The platform does not allow this in the thread.", _SEND
    ),
    "contentRejected": Wording(
        422, 422, _undocumented(422), "The content is refused.", {"detail": UNDOCUMENTED}
    ),
    "recipientUnavailable": Wording(
        422, 404, "PROSPECT_NOT_FOUND", "The person cannot be messaged.", {"reason": UNDOCUMENTED}
    ),
    "platformNotSupported": Wording(
        422,
        422,
        _undocumented(422),
        "The account link is on another platform.",
        {"platform": "twitter", "supported": []},
    ),
    "profileAmbiguous": Wording(
        422,
        422,
        _undocumented(422),
        "The contact has several profiles on the platform.",
        {"contactId": "", "platform": "twitter"},
    ),
    "capabilityNotSupported": Wording(
        422, 403, "FORBIDDEN", "The account link cannot do this.", _SEND
    ),
    "rateLimited": Wording(429, 429, "RATE_LIMITED", "Rate limit exceeded."),
    "platformRateLimited": Wording(
        429,
        429,
        "RATE_LIMITED",
        "The platform slows this account down.",
        {"retryAfterSeconds": None},
    ),
    "internal": Wording(500, 500, _undocumented(500), "Internal server error"),
    "sendUnconfirmed": Wording(
        502,
        500,
        _undocumented(500),
        "The platform may have delivered the message.",
        {"messageId": ""},
    ),
    "platformError": Wording(502, 502, _undocumented(502), "The platform failed."),
    "platformUnavailable": Wording(
        503, 503, _undocumented(503), "The platform is down.", {"retryAfterSeconds": None}
    ),
}


@dataclass(eq=False)
class Refusal(Exception):
    """An answer other than success. ``code`` is a key of WORDINGS; details go over its defaults."""

    code: str
    details: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def status(self, version: int) -> int:
        """Return HTTP status of this refusal in API version 1 or 2."""
        wording = WORDINGS[self.code]
        return wording.v1_status if version == 1 else wording.status

    def body(self, version: int, request_id: str) -> dict[str, Any]:
        """Return JSON body of this refusal in API version 1 or 2."""
        wording = WORDINGS[self.code]
        message = self.message or wording.message
        if version == 1:
            return {
                "error": {
                    "code": wording.v1_code,
                    "message": message,
                    "status": wording.v1_status,
                }
            }
        details = None
        if wording.details is not None or self.details:
            details = (wording.details or {}) | self.details
        return {
            "code": "invalidRequest" if self.code == "invalidValues" else self.code,
            "message": message,
            "details": details,
            "requestId": request_id,
        }


def bad_request(path: list[str | int], message: str, *, code: str = "invalidRequest") -> Refusal:
    """Refuse one field of a request: where it stands and what is wrong with it."""
    where = ".".join(str(part) for part in path) or "body"
    return Refusal(
        code, {"issues": [{"path": path, "message": message}]}, message=f"{where}: {message}"
    )
