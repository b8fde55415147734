"""A stand-in for the Inbox API v1 and v2 on loopback, which keeps its own list of sends.

It shares no code with the rest of the project, so that no mistake stands on both sides. v1 is below
``/api/v1`` and v2 below ``/api/v2`` of one server, over one store: one team, two account links
(``df6jbw4h36qm5d9iu2sgn7kx`` acmecorp, ``k2v7q9x4m1n8b3c6z5l0p7ty`` acmesales), the token
``sandbox-token``. Every setting is a field of ``Options``.

People
    Every numeric X id is someone: name and username are made up from the id. So is every contact id
    of ``c`` and 23 characters 0-9a-z, as if imported earlier. Others become contacts when they are
    first written to, or stand in ``contacts`` (username to platform id).

Special recipients, by the last four digits of the platform id (or of a ``c...`` contact id)
    ======  ==========================================  ==========================
    ending  v2                                          v1
    ======  ==========================================  ==========================
    0403    403 planRequired                            403 FORBIDDEN
    0404    422 recipientUnavailable                    404 PROSPECT_NOT_FOUND
    0409    409 integrationSetupRequired                409
    0413    422 contentRejected                         422
    0422    422 threadRestricted                        422
    0423    422 profileAmbiguous                        422
    0429    429 platformRateLimited                     429 RATE_LIMITED
    0500    500 internal, not accepted                  500, not accepted
    0502    502 platformError, not accepted             502, not accepted
    0503    503 platformUnavailable, not accepted       503, not accepted
    0598    502 sendUnconfirmed, not accepted           500, not accepted
    0599    502 sendUnconfirmed, accepted               500, accepted
    ======  ==========================================  ==========================

    ``specials={}`` switches the table off; ``recipients={id: outcome}`` sets one person's outcome,
    where the outcome is a v2 code, ``unconfirmed``, ``unconfirmedDelivered`` or ``sent``.

The list
    ``Sandbox.accepted`` and ``GET /sandbox/accepted``: one entry per accepted send, with ``seq``
    from 1, ``at`` in Unix seconds, ``version`` 1 or 2, ``sender`` (account link id), ``recipient``
    (platform or contact id as addressed; the platform id for a send to a thread), ``message_id``,
    ``thread_id``, ``content`` as it was posted, ``key`` (Idempotency-Key or None) and ``person``
    (platform id). With ``record`` each entry is on file, a JSON line with ``body`` and
    ``unconfirmed`` beside them, before the answer goes out; a sandbox given the file of an earlier
    one goes on from it, keys included. ``GET /sandbox/tally`` and ``/sandbox/requests`` count, and
    ``GET /sandbox/received`` says when who wrote: ``at`` and ``person``.

While it runs
    ``POST /sandbox/faults`` {"faults": [...]} puts other fault rules in force, ``POST
    /sandbox/link`` {"id", "status", "pauseReasons", "capabilities", "setUp"} changes a link, ``POST
    /sandbox/inbound`` {"accountLinkId", "platformId", "content"} lets a person write, ``POST
    /sandbox/outbound`` {"accountLinkId", "platformId", "content", "origin", "campaignId", "ago"}
    adds a message of the account that did not come through this API, ``ago`` seconds old, and
    ``POST /sandbox/failed`` {"id"} marks a message as failed on v1. ``POST /sandbox/people``
    {"people": [{"platformId", "username", "name", "accountStatus", "onX", "contact", "assigned",
    "status", "tags"}]} says who is behind ids (``people`` of ``Options`` from the start): two with
    one username are a handle that was given to another.
    ``POST /sandbox/thread`` {"id", "archived", "assigned", "restrictions"} changes a thread:
    nothing can be sent in one with the restriction ``message:send``; ``GET /sandbox/tags`` says
    which tags people have. ``POST /sandbox/act``
    {"accountLinkId", "platformId", "react": "👍"} lets a person or a colleague act at once (see
    ACTS), ``POST /sandbox/answers`` says who answers from now on, as the file of ``--people`` does,
    and ``POST /sandbox/feed`` {"delay": 5} gives the events other settings (see FeedSettings).
    These need no token and never count as API requests.

X's own API
    ``GET /2/users/by`` with the token ``x_token``: those people as X has them (``onX``: active,
    suspended, notFound, or null for a name that it does not know). ``GET /sandbox/x`` says what was
    asked and how many people were charged for; ``POST /sandbox/x`` {"trouble": [STATUS, ...]} says
    what the next requests get, 0 for no answer.

Faults are written ``NAME[:key=value,...]``: see FAULTS and SELECTORS.
"""

from runner.sandbox.faults import FAULTS, SELECTORS, Fault, parse_fault
from runner.sandbox.options import AccountLink, Options
from runner.sandbox.server import Sandbox, serve_forever

__all__ = [
    "FAULTS",
    "SELECTORS",
    "AccountLink",
    "Fault",
    "Options",
    "Sandbox",
    "parse_fault",
    "serve_forever",
]
