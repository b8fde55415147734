"""The v2 send: three kinds of target, and idempotency keys."""

from typing import TYPE_CHECKING, Any

from runner.sandbox.api import send
from runner.sandbox.api import v2_shapes as shapes
from runner.sandbox.api.http import Answer, Call, json_answer, json_object, text_field
from runner.sandbox.api.refusals import Refusal, bad_request
from runner.sandbox.store import Message, Order

if TYPE_CHECKING:
    from runner.sandbox.service import Service

TARGET_FIELDS = {
    "thread": ("threadId",),
    "contact": ("accountLinkId", "contactId"),
    "profile": ("accountLinkId", "platform", "platformId"),
}
"""Fields of each target type; others are refused (additionalProperties: false)."""


def result(message: Message) -> dict[str, Any]:
    """Return the body of a successful send; the thread shows the message whatever listings do."""
    now = float("inf")
    return {"message": shapes.message(message, now), "thread": shapes.thread(message.thread, now)}


def _closed(value: dict[str, Any], known: tuple[str, ...], inside: list[str | int]) -> None:
    for name in value:
        if name not in known:
            raise bad_request([*inside, name], "is not a known field")


def _read(body: bytes) -> tuple[dict[str, str], str, str | None]:
    """Return target, content and quoted message id of a request. Raises Refusal (400)."""
    value = json_object(body)
    _closed(value, ("target", "content", "replyToMessageId"), [])
    target = value.get("target")
    if not isinstance(target, dict):
        raise bad_request(["target"], "must be an object")
    kind = target.get("type")
    if not isinstance(kind, str) or kind not in TARGET_FIELDS:
        raise bad_request(["target", "type"], f"must be one of {', '.join(TARGET_FIELDS)}")
    _closed(target, ("type", *TARGET_FIELDS[kind]), ["target"])
    read = {"type": kind}
    for name in TARGET_FIELDS[kind]:
        # The two platform fields are open strings, the others Inbox ids.
        is_id = not name.startswith("platform")
        text = text_field(target, name, inside=["target"], inbox_id=is_id)
        read[name] = str(text)
    content = text_field(value, "content")
    quoted = text_field(value, "replyToMessageId", required=False, inbox_id=True)
    return read, str(content), quoted


def _order(service: "Service", target: dict[str, str], content: str, quoted: str | None) -> Order:
    """Check who writes to whom. Raises Refusal."""
    reply_to = send.reply_target(service, quoted)
    people = service.store.people
    if target["type"] == "thread":
        thread = service.store.threads.get(target["threadId"])
        if thread is None:
            raise Refusal("threadNotFound")
        link = send.usable_link(service, thread.link.id)
        return Order(link, thread.person, thread.person.platform_id, content, reply_to)
    link = send.usable_link(service, target["accountLinkId"])
    if target["type"] == "contact":
        addressed = target["contactId"]
        person = send.person_or_refusal(
            people.by_inbox_id(addressed, link.platform), "contactNotFound"
        )
        if person.platform != link.platform:
            raise Refusal("recipientUnavailable")
        return Order(link, person, addressed, content, reply_to)
    service.check_platform(target["platform"])
    if target["platform"] != link.platform:
        details = {"platform": target["platform"], "supported": [link.platform]}
        raise Refusal("platformNotSupported", details)
    addressed = target["platformId"]
    person = send.person_or_refusal(
        people.by_platform_id(link.platform, addressed), "recipientUnavailable"
    )
    if not service.options.advanced_api and not people.is_contact(person):
        raise Refusal("planRequired")
    return Order(link, person, addressed, content, reply_to)


async def send_message(service: "Service", call: Call, key: str | None) -> Answer:
    """Send once, or replay what the key stands for. Raises Refusal."""
    target, content, quoted = _read(call.body)
    entry = None if key is None else service.keys.find(key, call.body, call.now)
    if entry is not None:
        if entry.running:
            raise Refusal("sendInProgress", {"messageId": entry.message_id})
        if entry.refusal is not None:
            raise entry.refusal
        return Answer(200, entry.result or b"")
    message_id = service.store.new_message_id(call.body)
    if key is not None:
        entry = service.keys.begin(key, call.body, message_id, call.now)
    try:
        await send.wait_before(service, call)
        order = _order(service, target, content, quoted)
        message = send.accept(service, call, order, message_id, key)
    except Refusal as refusal:
        if entry is not None:
            _settle(service, key or "", message_id, refusal)
        raise
    except BaseException:
        if key is not None:
            service.keys.forget(key)
        raise
    answer = json_answer(201, result(message))
    if entry is not None:
        entry.result = answer.body
    return answer


def _settle(service: "Service", key: str, message_id: str, refusal: Refusal) -> None:
    """Decide what a key stands for after its request was refused."""
    entry = service.keys.entry(key)
    delivered = service.store.messages.get(message_id)
    options = service.options
    if refusal.code == "sendUnconfirmed" and options.replay_unconfirmed:
        entry.refusal = refusal
    elif delivered is not None:
        entry.result = json_answer(200, result(delivered)).body
    elif options.key_used_by_4xx and refusal.status(2) < 500:
        entry.refusal = refusal
    else:
        service.keys.forget(key)
