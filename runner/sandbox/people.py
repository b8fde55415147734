"""The people one can write to: made up from their ids, the same on every run.

SPECIALS lists the endings of a platform id that give an outcome other than "sent".
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

NUMERIC_ID = re.compile(r"^[0-9]{1,20}$")
"""X user ids are numeric strings (docs.inboxapp.com guides/core-concepts)."""

CONTACT_ID = re.compile(r"^c[0-9a-z]{23}$")
"""Ids that the sandbox takes for a contact imported before it started."""

UNCONFIRMED = "unconfirmed"
UNCONFIRMED_DELIVERED = "unconfirmedDelivered"

SPECIALS: dict[str, str] = {
    "0403": "planRequired",
    "0404": "recipientUnavailable",
    "0409": "integrationSetupRequired",
    "0413": "contentRejected",
    "0422": "threadRestricted",
    "0423": "profileAmbiguous",
    "0429": "platformRateLimited",
    "0500": "internal",
    "0502": "platformError",
    "0503": "platformUnavailable",
    "0598": UNCONFIRMED,
    "0599": UNCONFIRMED_DELIVERED,
}
"""Last four digits of a platform id, and what a send to it gets. v1 words each in its own way."""

_FIRST = ("Ada", "Ben", "Chloe", "David", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jonas")
_LAST = ("Adler", "Brooks", "Chen", "Dubois", "Evans", "Fischer", "Garcia", "Haddad", "Ito")


ACCOUNT_STATUSES = ("active", "suspended", "notFound")


@dataclass(eq=False)
class Person:
    """A profile on a platform and the contact it belongs to; `describe` changes them.

    ``on_x``: what X's own API says of the account, None for an account that it does not name.
    """

    platform: str
    platform_id: str
    username: str
    name: str
    contact_id: str
    profile_id: str
    account_status: str = "active"
    on_x: str | None = "active"
    assignee: bool = False
    status: str | None = None
    tags: list[str] = field(default_factory=list)


def made_up_person(
    platform: str, platform_id: str, *, username: str | None = None, contact_id: str | None = None
) -> Person:
    """Make up the person behind a platform id."""
    first = pick(_FIRST, "first", platform_id)
    last = pick(_LAST, "last", platform_id)
    tail = base36(int(platform_id)) if NUMERIC_ID.match(platform_id) else made_up_id(platform_id)
    return Person(
        platform=platform,
        platform_id=platform_id,
        username=username or f"{first.lower()}_{tail}",
        name=f"{first} {last}",
        contact_id=contact_id or "n" + made_up_id("contact", platform, platform_id)[1:],
        profile_id=made_up_id("profile", platform, platform_id),
    )


def platform_id_of_contact(contact_id: str) -> str:
    """Return platform id made up for an imported contact; it takes over the last four digits, if
    digits.

    So ``c`` + anything + ``0404`` is a special recipient just as a platform id ending in 0404 is.
    """
    number = made_up_number("contact", contact_id)
    tail = contact_id[-4:]
    if tail.isascii() and tail.isdigit():
        return number[:-4] + tail
    # An unspecial ending: a made-up id must not become special by chance.
    return number[:-4] + "1" + number[-3:]


class People:
    """Everyone seen so far, by platform id, Inbox id and username.

    ``contacts`` maps usernames to platform ids of X contacts the team has from the start.
    """

    def __init__(self, contacts: dict[str, str]) -> None:
        self._by_platform_id: dict[tuple[str, str], Person] = {}
        self._by_inbox_id: dict[str, Person] = {}
        self._contacts: dict[str, Person] = {}
        self._by_username: dict[str, list[Person]] = {}
        self._on_x: dict[str, Person] = {}
        self._imported: set[str] = set()
        for username, platform_id in contacts.items():
            if not NUMERIC_ID.match(platform_id):
                raise ValueError(f"contact {username}: platform id {platform_id!r} is not numeric")
            person = made_up_person("twitter", platform_id, username=username)
            self._learn(person)
            self._import(person)

    def _learn(self, person: Person) -> None:
        self._by_platform_id[person.platform, person.platform_id] = person
        self._by_inbox_id[person.contact_id] = person
        self._by_inbox_id[person.profile_id] = person

    def by_platform_id(self, platform: str, platform_id: str) -> Person | None:
        """Give the person behind a platform id, made up if need be; None for an impossible id."""
        known = self._by_platform_id.get((platform, platform_id))
        if known:
            return known
        if platform == "twitter" and not NUMERIC_ID.match(platform_id):
            return None
        person = made_up_person(platform, platform_id)
        self._learn(person)
        return person

    def by_inbox_id(self, inbox_id: str, platform: str = "twitter") -> Person | None:
        """Give the person of a contact or profile id; ``c`` + 23 characters is always someone."""
        known = self._by_inbox_id.get(inbox_id)
        if known and self.is_contact(known):
            return known
        if not CONTACT_ID.match(inbox_id):
            return None
        person = made_up_person(platform, platform_id_of_contact(inbox_id), contact_id=inbox_id)
        self._learn(person)
        self._import(person)
        return person

    def known(self, inbox_id: str) -> Person | None:
        """Return the person of a contact or profile id, if seen before."""
        return self._by_inbox_id.get(inbox_id)

    def _import(self, person: Person) -> None:
        self.add_contact(person)
        self._imported.add(person.contact_id)

    def add_contact(self, person: Person) -> None:
        """Put a person among the team's contacts."""
        self._contacts.setdefault(person.contact_id, person)
        self._name(person)

    def _name(self, person: Person) -> None:
        named = self._by_username.setdefault(person.username.lower(), [])
        if person not in named:
            named.append(person)

    def describe(
        self,
        platform: str,
        platform_id: str,
        *,
        username: str | None = None,
        name: str | None = None,
        account_status: str = "active",
        on_x: str | None = "active",
        contact: bool = True,
        assignee: bool = False,
        status: str | None = None,
        tags: Sequence[str] = (),
    ) -> Person:
        """Say who is behind a platform id: renamed, suspended, a contact of the team or not. Raises
        ValueError for an impossible one."""
        person = self.by_platform_id(platform, platform_id)
        if person is None:
            raise ValueError(f"no person {platform_id!r}")
        if account_status not in ACCOUNT_STATUSES or on_x not in (None, *ACCOUNT_STATUSES):
            raise ValueError(f"a status must be one of {', '.join(ACCOUNT_STATUSES)}")
        before = person.username.lower()
        if person in self._by_username.get(before, []):
            self._by_username[before].remove(person)
        if self._on_x.get(before) is person:
            del self._on_x[before]
        person.username = person.username if username is None else username
        person.name = person.name if name is None else name
        person.account_status, person.on_x = account_status, on_x
        person.assignee, person.status, person.tags = assignee, status, list(tags)
        if on_x is not None:
            self._on_x[person.username.lower()] = person
        if contact or self.is_contact(person):
            self._import(person)
        return person

    def tagged(self) -> dict[str, list[str]]:
        """Return the tags of everybody who has one, by platform id."""
        return {id: each.tags for (_, id), each in self._by_platform_id.items() if each.tags}

    def on_x(self, username: str) -> Person | None:
        """Return the person whom X has under a username, in whatever case."""
        return self._on_x.get(username.lower())

    def is_contact(self, person: Person) -> bool:
        """Say whether the team has this person among its contacts."""
        return person.contact_id in self._contacts

    def is_imported(self, person: Person) -> bool:
        """Say whether the person was a contact without being written to first."""
        return person.contact_id in self._imported

    def contact_of_platform_id(self, platform: str, platform_id: str) -> Person | None:
        """Return the contact with this platform id, if there is one."""
        person = self._by_platform_id.get((platform, platform_id))
        return person if person and self.is_contact(person) else None

    def contacts_of_username(self, platform: str, username: str) -> list[Person]:
        """Return the contacts with this username, in whatever case."""
        found = self._by_username.get(username.lower(), [])
        return [person for person in found if person.platform == platform]

    def meet(self, platform: str, username: str) -> None:
        """Make up the person behind a username that nobody has, as a contact of the team."""
        if self.contacts_of_username(platform, username):
            return
        id = made_up_number("user", platform, username.lower())
        id = id[:-4] + "1" + id[-3:]  # an unspecial ending
        self.describe(platform, id, username=username, name=username)


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _number(parts: tuple[object, ...]) -> int:
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")


def base36(number: int) -> str:
    """Write a number from 0 up in the digits 0-9a-z."""
    out = ""
    while number:
        number, digit = divmod(number, 36)
        out = _DIGITS[digit] + out
    return out or "0"


def made_up_id(*parts: object) -> str:
    """Give a 24-character id (``^[a-z][0-9a-z]{23}$``) that depends on the parts alone."""
    number = _number(parts)
    tail = ""
    for _ in range(23):
        number, digit = divmod(number, 36)
        tail += _DIGITS[digit]
    return _DIGITS[10 + number % 26] + tail


def made_up_number(*parts: object) -> str:
    """Give a 19-digit platform id, as a string, that depends on the parts alone."""
    return "1" + str(_number(parts) % 10**18).zfill(18)


def pick(choices: tuple[str, ...], *parts: object) -> str:
    """Choose one of the choices; which one depends on the parts alone."""
    return choices[_number(parts) % len(choices)]


def small_number(most: int, *parts: object) -> int:
    """Give a whole number from 0 to ``most`` that depends on the parts alone."""
    return _number(parts) % (most + 1)
