"""Campaign files: a Campaign, or lines of `file:line: path: what`, without any secret in them."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from random import Random

import yaml

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.errors import CampaignError
from tests.fuzz.values import changed, one_line, text, torn

SECRET = "tok5f0c7a1e9b3d4c68a2e7"
WHOLE = {
    "name": "spring-2026",
    "api": {
        "version": "v2",
        "base_url": "https://inboxapp.com/api/v2",
        "token": "${INBOX_API_TOKEN}",
        "platform": "twitter",
    },
    "senders": [{"id": "df6jbw4h36qm5d9iu2sgn7kx", "per_hour": 20, "per_day": 150, "gap": "60s"}],
    "prospects": {
        "source": "spring.csv",
        "encoding": "utf-8",
        "id": "x_user_id",
        "id_type": "platform",
        "defaults": {"first_name": "there"},
        "where": {"country": ["US", "UK"]},
        "timezone": "timezone",
    },
    "suppress": ["../do-not-contact.csv"],
    "contact_once_in": "30d",
    "message": {"text": "Hi {{ first_name }}"},
    "limits": {"per_minute": 300, "per_hour": 10000, "per_day": 100000, "concurrency": 16},
    "retry": {"attempts": 5, "timeout": "60s", "settle": "120s", "absent": "hold"},
}
SHORT = {
    "senders": ["df6jbw4h36qm5d9iu2sgn7kx"],
    "prospects": "spring.csv",
    "message": "Hi {{ first_name }}",
}
ODD = (
    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c]\nsenders: [*d,*d,*d,*d]\n",
    "senders: &s [*s]\n",
    "<<: *nobody\n",
    "base: &b {per_hour: 1}\nsenders: [{<<: *b, id: abc}]\n",
    "<<: [{name: a}, {name: b}, 3]\n",
    "? [a, b]\n: c\n? {a: b}\n: c\n",
    "name: a\nname: b\n",
    "name: !!python/object/apply:os.system [id]\n",
    "name: !!binary aGVsbG8=\nsenders: !!set {a, b}\nmessage: !!omap [a: b]\n",
    "name: !x {a: b}\nlimits: !!float 3\nretry: !!timestamp x\n",
    "name: !!int x\nsenders: !!seq {a: b}\nlimits: !!map [a]\napi: !!null x\n",
    "\tname: x\n",
    "%YAML 9.9\n---\nname: x\n",
    "%TAG ! tag:x,2026:\n---\nname: !a b\n",
    "name: x\n...\n---\nname: y\n",
    "[" * 3000,
    "{a: " * 3000,
    "- " * 5000,
    "a:\n" + "".join(f"{' ' * n}b:\n" for n in range(1, 300)),
    "x" * 2_000_000,
    "name: " + "x" * 100_000,
    f"token: {SECRET}\napi: {SECRET}\n",
    f"api: {{token: {SECRET}, base_url: 'https://{SECRET}@x/', platform: x y}}\n",
    f"api: {{token: [{SECRET}], base_url: {{{SECRET}: 1}}}}\n",
    f"api: [{SECRET}]\n",
    f"api: {{token: '${{{{{SECRET}}}}}'}}\nname: [\n",
    "limits: {concurrency: 99999999999999999999999, per_hour: 0x7fffffffffffffffffff}\n",
    f"limits: {{concurrency: {'9' * 5000}}}\n",
    "retry: {timeout: 99999999999d, settle: .inf, attempts: 1e3}\n",
    "name: 2026-99-99\nmessage: 99:99:99\n",
    "name: 0o\nmessage: 0b\nprospects: 0x_\n",
    "message: |9\n x\n",
    "message: >-\n\n\n   x\n  y\n",
)


def case(luck: Random, folder: Path) -> str:
    """One file, loaded."""
    path = folder / luck.choice(("any.yaml", "b c.yml", "é.yaml"))
    path.write_bytes(_data(luck))
    try:
        loaded = load_campaign(path)
    except CampaignError as error:
        _judge(path, str(error), error)
        return "refused"
    assert isinstance(loaded, Campaign)
    assert SECRET not in repr(loaded)
    assert loaded.project_dir.is_absolute()
    return "loaded"


def _judge(path: Path, told: str, error: CampaignError) -> None:
    assert SECRET not in told, told
    assert len(told.splitlines()) == len(error.problems), told
    for line in told.split("\n"):
        one_line(line)
        assert re.match(rf"{re.escape(str(path))}(:[1-9][0-9]*)?: \S", line), line
        assert line.isprintable(), repr(line)


def _data(luck: Random) -> bytes:
    whole = luck.choice((WHOLE, WHOLE, SHORT))
    match luck.randrange(6):
        case 0:
            return torn(luck, yaml.safe_dump(whole).encode())
        case 1:
            data = (luck.choice(ODD) + luck.choice(("", yaml.safe_dump(whole)))).encode()
            return torn(luck, data, 2) if luck.random() < 0.5 else data
        case 2:
            coding = luck.choice(("utf-16", "utf-8-sig", "utf-32", "latin-1", "utf-16-le"))
            return yaml.safe_dump(whole).encode(coding)
    value = changed(luck, whole, luck.choice((0.02, 0.05, 0.2)))
    if isinstance(value, dict) and luck.random() < 0.3:
        value[luck.choice((*WHOLE, *WHOLE["api"], 1, None, True, 2.5))] = luck.choice(
            (date(2026, 1, 1), datetime(2026, 1, 1), b"\xff", {1, 2}, text(luck))  # noqa: DTZ001  # as YAML has it
        )
    plain = luck.random() < 0.5
    return yaml.safe_dump(
        value, allow_unicode=plain, default_flow_style=luck.choice((True, False, None))
    ).encode("utf-8", "surrogatepass")
