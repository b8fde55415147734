"""The send itself, the same for both API versions: waits, checks, acceptance."""

from typing import TYPE_CHECKING

from runner.sandbox.api.http import Call
from runner.sandbox.api.refusals import Refusal
from runner.sandbox.options import SEND, AccountLink, characters
from runner.sandbox.people import UNCONFIRMED, UNCONFIRMED_DELIVERED, Person
from runner.sandbox.store import Message, Order

if TYPE_CHECKING:
    from runner.sandbox.service import Service


async def wait_before(service: "Service", call: Call) -> None:
    """Wait as the settings and the fault of the call say, before anything is decided."""
    options = service.options
    fault = call.fault
    if options.latency:
        await options.sleep(options.latency)
    if fault and fault.name == "slow" and fault.phase == "before":
        await options.sleep(fault.seconds)
    if fault and fault.name == "accept_late":
        await call.gone.wait()
        await options.sleep(fault.seconds)
    elif options.accept_late and call.gone.is_set():
        await options.sleep(options.accept_late)


def usable_link(service: "Service", link_id: str) -> AccountLink:
    """Return the account link with this id, fit to send. Raises Refusal."""
    link = service.store.links.get(link_id)
    if link is None:
        raise Refusal("accountLinkNotFound")
    service.check_platform(link.platform)
    if not link.set_up:
        raise Refusal("integrationSetupRequired", {"accountLinkId": link.id})
    if link.status != "active":
        details = {"accountLinkId": link.id, "status": link.status}
        raise Refusal("accountLinkDisconnected", details)
    if SEND not in link.capabilities:
        raise Refusal("capabilityNotSupported", {"capability": SEND})
    return link


def check_recipient(service: "Service", order: Order) -> str:
    """Give ``sent``, or how else a send ends, by the ids it goes to. Raises Refusal."""
    person, link = order.person, order.link
    outcome = service.options.outcome(person.platform_id, person.contact_id, order.addressed)
    if outcome in ("sent", UNCONFIRMED, UNCONFIRMED_DELIVERED):
        return outcome
    details: dict[str, dict[str, object]] = {
        "integrationSetupRequired": {"accountLinkId": link.id},
        "accountLinkDisconnected": {"accountLinkId": link.id, "status": link.status},
        "profileAmbiguous": {"contactId": person.contact_id, "platform": person.platform},
        "platformNotAvailable": {"platform": person.platform},
        "platformNotSupported": {"platform": person.platform, "supported": [link.platform]},
    }
    raise Refusal(outcome, details.get(outcome, {}))


def check_content(service: "Service", content: str) -> None:
    """Refuse a text over the platform's limit. Raises Refusal."""
    most = service.options.characters
    if most is not None and characters(content) > most:
        raise Refusal("contentRejected", {"detail": f"more than {most} characters"})


def reply_target(service: "Service", message_id: str | None) -> Message | None:
    """Return the message to quote. Raises Refusal: an unknown one counts as a bad request."""
    if message_id is None:
        return None
    message = service.store.messages.get(message_id)
    if message is None:
        issue = {"path": ["replyToMessageId"], "message": "no such message in the thread"}
        raise Refusal("invalidValues", {"issues": [issue]})
    return message


def person_or_refusal(person: Person | None, code: str) -> Person:
    """Return the person, or the refusal with this code."""
    if person is None:
        raise Refusal(code)
    return person


def accept(
    service: "Service", call: Call, order: Order, message_id: str, key: str | None
) -> Message:
    """Make the last checks and accept. Raises Refusal; ``sendUnconfirmed`` may have accepted."""
    if service.options.workspace_locked:
        raise Refusal("workspaceLocked")
    thread = service.store.thread_of(order.link, order.person)
    if order.reply_to is not None and order.reply_to.thread is not thread:
        issue = {"path": ["replyToMessageId"], "message": "no such message in the thread"}
        raise Refusal("invalidValues", {"issues": [issue]})
    if thread is not None and SEND in thread.restrictions:
        raise Refusal("threadRestricted")
    outcome = check_recipient(service, order)
    check_content(service, order.content)
    fault = call.fault
    if fault and fault.name == "unconfirmed":
        outcome = UNCONFIRMED_DELIVERED if fault.delivered else UNCONFIRMED
    if outcome == UNCONFIRMED:
        raise Refusal("sendUnconfirmed", {"messageId": message_id})
    message = service.store.accept(
        order,
        message_id,
        version=call.version,
        key=key,
        body=call.body,
        unconfirmed=outcome == UNCONFIRMED_DELIVERED,
    )
    if outcome == UNCONFIRMED_DELIVERED:
        raise Refusal("sendUnconfirmed", {"messageId": message_id})
    return message
