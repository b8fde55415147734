"""Acts of people and of colleagues in threads, and the events that tell of them."""

from collections.abc import Mapping

from runner.sandbox.answers import Act
from runner.sandbox.options import AccountLink
from runner.sandbox.people import Person, made_up_id
from runner.sandbox.store import Elsewhere, Message, Reaction, Store, Thread


def perform_due(store: Store, now: float) -> None:
    """Perform the acts that are due by now, each at its own moment."""
    for due in store.agenda.due(now):
        thread = due.message.thread
        if thread.id in store.threads:
            ident = made_up_id("act", due.message.id, due.place)
            perform(store, thread.link, thread.person, due.act, due.at, ident)


def perform(
    store: Store,
    link: AccountLink,
    person: Person,
    act: Act,
    at: float,
    message_id: str | None = None,
) -> Message | None:
    """Perform one act at a moment, and return the message that it made or changed.

    Raises ValueError where there is no message that it could be about.
    """
    if act.kind == "write":
        return store.receive(link, person, act.value, at=at, message_id=message_id)
    if act.kind in ("colleague", "outside"):
        how = Elsewhere("internal" if act.kind == "colleague" else "external", at=at)
        return store.write_elsewhere(link, person, act.value, how, message_id=message_id)
    thread = store.thread_of(link, person)
    if thread is None:
        raise ValueError("there is no thread between the two")
    if act.kind == "type":
        store.feed.note("thread.typing", at, thread)
        return None
    if act.kind == "remove":
        store.remove(thread, at)
        return None
    return _change(store, thread, act, at)


def _change(store: Store, thread: Thread, act: Act, at: float) -> Message:
    ours = act.kind in ("react", "unreact")
    found = [one for one in thread.messages if one.outbound is ours and one.created_at <= at]
    if not found:
        raise ValueError(f"there is no message of {'ours' if ours else 'theirs'} in the thread")
    message = found[-1]
    data: Mapping[str, str] = {}
    if act.kind == "edit":
        message.content, message.edited_at = act.value, at
        kind = "message.edited"
    elif act.kind == "delete":
        message.deleted_at = at
        kind, data = "message.deleted", {"scope": act.value}
    else:
        reaction = Reaction(act.value, at)
        others = [one for one in message.reactions if one.emoji != act.value]
        message.reactions = [*others, reaction] if act.kind == "react" else others
        kind = "message.reactionAdded" if act.kind == "react" else "message.reactionRemoved"
        data = {"emoji": act.value, "authorPlatformId": thread.person.platform_id}
    store.feed.note(kind, at, thread, message, data)
    return message
