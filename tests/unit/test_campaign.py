"""The campaign file: what is read from it, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign, campaign_schema
from runner.campaign.senders import Ramp, Sender
from runner.schedule import Hours
from tests.campaign_files import SMALLEST, problems, with_line, write

SAMPLE = Path(__file__).parents[2] / "campaigns" / "spring.yaml"
FOLLOWED = SAMPLE.with_name("webinar.yaml")


def test_the_smallest_campaign_is_safe_by_its_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, SMALLEST)
    campaign = load_campaign(path)
    assert campaign.path == path
    assert campaign.name == "spring"
    assert campaign.senders == (Sender(id="abc1"),)
    assert (campaign.senders[0].per_hour, campaign.senders[0].per_day) == (20, 150)
    assert campaign.senders[0].gap is None
    assert campaign.prospects.source == tmp_path / "people.csv"
    assert campaign.message.text == "Hi {{ first_name }}"
    assert campaign.message.template is None
    assert campaign.suppress.lists == ()
    assert campaign.contact_once_in == 30 * 86400.0
    assert campaign.api.token_env == "INBOX_API_TOKEN"
    assert campaign.api.platform == "twitter"
    assert campaign.origin == "https://inboxapp.com/api/v2"
    limits = campaign.limits
    assert (limits.per_minute, limits.per_hour, limits.per_day) == (300, 10_000, 100_000)
    assert limits.concurrency == 16
    retry = campaign.retry
    assert (retry.attempts, retry.timeout, retry.settle) == (5, 60, 120)
    assert (retry.absent, retry.key_life) == ("hold", 3600)


def test_every_key_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
name: "  spring-2026 "
api: {version: v1, base_url: "HTTP://LocalHost:8080/x/", token: "${MY_TOKEN}", platform: linkedin}
senders:
  - plain1
  - {id: ab2, per_hour: none, per_day: 7, gap: none}
  - {id: cd3, gap: 1m30s}
  - {id: ef4, gap: 45s..2m, ramp: {start: 20, step: 10}}
  - {id: gh5, ramp: none}
prospects:
  source: ../people.xlsx
  encoding: CP1252
  id: Handle
  id_type: inbox
  defaults: {first_name: there}
  where: {country: [US, "NO"], tier: gold}
  timezone: tz
suppress: one.csv
message: {template: ../t.j2}
limits: {per_minute: none, per_hour: 5, per_day: 6, concurrency: 512}
retry: {attempts: 2, timeout: 500ms, settle: 0s, absent: resend, key_life: 2h}
""",
    )
    campaign = load_campaign(path)
    assert campaign.name == "spring-2026 (SANDBOX)"
    assert campaign.rehearsal
    assert campaign.origin == "http://localhost:8080/x"
    assert campaign.api.token_env == "MY_TOKEN"
    assert [(s.id, s.per_hour, s.per_day, s.gap) for s in campaign.senders] == [
        ("plain1", 20, 150, None),
        ("ab2", None, 7, 0.0),
        ("cd3", 20, 150, 90.0),
        ("ef4", 20, 150, (45.0, 120.0)),
        ("gh5", 20, 150, None),
    ]
    assert [s.ramp for s in campaign.senders[3:]] == [Ramp(start=20, step=10), None]
    prospects = campaign.prospects
    assert prospects.source == tmp_path / "../people.xlsx"
    assert (prospects.encoding, prospects.id, prospects.id_type) == ("cp1252", "Handle", "inbox")
    assert prospects.where == {"country": ("US", "NO"), "tier": ("gold",)}
    assert prospects.timezone == "tz"
    assert [each.source for each in campaign.suppress.lists] == [tmp_path / "one.csv"]
    assert campaign.message.template == tmp_path / "../t.j2"
    assert campaign.limits.per_minute is None
    assert (campaign.retry.timeout, campaign.retry.settle) == (0.5, 0)
    assert campaign.retry.absent == "resend"


def test_a_schedule(tmp_path: Path) -> None:
    line = """schedule:
  start: 2026-03-02 09:00
  grace: 30m
  timezone: Europe/London
  windows:
    - {days: mon-fri, from: "09:00", to: "12:00"}
    - {days: [mon, wed], from: 11:00, to: "24:00"}
  skip_holidays: DE-BY
"""
    line = line.replace("11:00", '"11:00"')
    schedule = load_campaign(write(tmp_path, with_line(line))).schedule
    day = ((540, 720),)
    long = ((540, 1440),)
    assert schedule.hours == Hours("Europe/London", (long, day, long, day, day, (), ()), "DE-BY")
    assert (schedule.starts_at, schedule.grace) == (1772442000.0, 1800.0)
    none = load_campaign(write(tmp_path, with_line("retry: {attempts: 2}"))).schedule
    assert (none.hours, none.starts_at, none.grace) == (None, None, 7200.0)
    for start in ("2026-03-02T09:00", "2026-03-02 09:00:00", '"2026-03-02 09:00"'):
        line = f"schedule: {{start: {start}, timezone: UTC}}"
        schedule = load_campaign(write(tmp_path, with_line(line))).schedule
        assert (schedule.hours, schedule.starts_at) == (None, 1772442000.0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nmae: x", "F:4: nmae: unknown key; did you mean name?"),
         ("xyzzy: x", "F:4: xyzzy: unknown key; known here: name, extends, locked, "
         "require_plan, api, senders, prospects, accept, suppress, contact_once_in, "
         "skip_known, tag, message, steps, "
         "stop_on, schedule, limits, retry, guard, replies"),
         ("path: x", "F:4: path: unknown key; known here: name, extends, locked, "
         "require_plan, api, senders, prospects, accept, suppress, contact_once_in, "
         "skip_known, tag, message, steps, "
         "stop_on, schedule, limits, retry, guard, replies"),
        ("schedule: {timezone: UTC, start: x}", "F:4: schedule.start: is not a local time; "
         "write one such as 2026-03-02 09:00, and its zone as timezone:"),
        ("schedule: {start: 2026-03-02 09:00}", "F:4: schedule: has no timezone; "
         "add one such as `timezone: Europe/London`"),
        ('schedule: {windows: [{days: sat, from: "00:00", to: "24:00"}]}',
         "F:4: schedule: has no timezone; add one such as `timezone: Europe/London`"),
        ("schedule: {timezone: UTC, start: }",
         "F:4: schedule.start: is empty; write a value or remove the line"),
        ("schedule: {timezone: UTC, windows: }",
         "F:4: schedule.windows: is empty; write a value or remove the line"),
        ("schedule: {timezone: UTC, windows: []}",
         "F:4: schedule.windows: is an empty list; name at least one"),
        ("schedule: {timezone: UTC, start: 0001-01-01 00:00}", "F:4: schedule.start: is not a "
         "local time; write one such as 2026-03-02 09:00, and its zone as timezone:"),
        ("schedule: {timezone: UTC, start: 2026-03-02 09:00+01:00}", "F:4: schedule.start: is not "
         "a local time; write one such as 2026-03-02 09:00, and its zone as timezone:"),
        ("schedule: {timezone: UTC, grace: 0}", 'F:4: schedule.grace: has no unit; write "0s"'),
        ("schedule: {timezone: Eastern Standard Time}",
         "F:4: schedule.timezone: is not an IANA time zone; write America/New_York"),
        ("schedule: {timezone: PST}", "F:4: schedule.timezone: is not an IANA time zone; "
         "write a place such as America/Los_Angeles"),
        ("schedule: {timezone: EST}", "F:4: schedule.timezone: is the same all year, without "
         "summer time; write a place such as America/New_York"),
        ("schedule: {timezone: localtime}", "F:4: schedule.timezone: is not an IANA time zone; "
         "write one such as Europe/London or America/New_York"),
        ("schedule: {timezone: UTC, skip_holidays: de-by}", "F:4: schedule.skip_holidays: is not a "
         "country whose holidays are known; did you mean DE-BY?"),
        ("schedule: {skip_holidays: US}", "F:4: schedule: has no timezone; "
         "add one such as `timezone: Europe/London`"),
        ("schedule: {timezone: Londn}",
         "F:4: schedule.timezone: is not an IANA time zone; did you mean Europe/London?"),
        ("schedule: {timezone: somewhere}", "F:4: schedule.timezone: is not an IANA time zone; "
         "write one such as Europe/London or America/New_York"),
        ("schedule: {timezone: UTC, skip_holidays: XX}",
         "F:4: schedule.skip_holidays: is not a country whose holidays are known; "
         "write a country such as US, or a part of one such as DE-BY"),
        ("schedule: {timezone: UTC, skip_holidays: NO}",
         'F:4: schedule.skip_holidays: `NO` is a yes/no value to YAML, not text; quote it: "NO"'),
        ('schedule: {timezone: UTC, windows: [{days: mon-fry, from: "09:00", to: "10:00"}]}',
         "F:4: schedule.windows[0].days: is not a day of the week; write mon-fri, mon,wed or sat"),
        ('schedule: {timezone: UTC, windows: [{days: mon, from: "09:00", to: 17:30}]}',
         'F:4: schedule.windows[0].to: `17:30` is a number to YAML, not text; quote it: "17:30"'),
        ('schedule: {timezone: UTC, windows: [{days: mon, from: "09:00", to: "24:30"}]}',
         'F:4: schedule.windows[0].to: is not a time of day; write one such as "09:00" or "17:30"'),
        ('schedule: {timezone: UTC, windows: [{days: mon, from: "22:00", to: "06:00"}]}',
         "F:4: schedule.windows[0]: 22:00 is not before 06:00; "
         "for a night write two windows, one to 24:00 and one from 00:00"),
        ('schedule: {timezone: UTC, windows: [{from: "22:00", to: "23:00"}]}',
         "F:4: schedule.windows[0].days: is missing; add days such as `days: mon-fri`"),
        ("contact_once_in: 30",
         'F:4: contact_once_in: has no unit; write "30d"'),
        ("contact_once_in: never", "F:4: contact_once_in: is not a duration; "
         "write one such as 45s, 1m30s, 2h or 30d"),
        ("name: 2026-03-02",
         'F:4: name: `2026-03-02` is a date to YAML, not text; quote it: "2026-03-02"'),
        ("name: 10:30", 'F:4: name: `10:30` is a number to YAML, not text; quote it: "10:30"'),
        ("name: no", 'F:4: name: `no` is a yes/no value to YAML, not text; quote it: "no"'),
        ("name: 0123", 'F:4: name: `0123` is a number to YAML, not text; quote it: "0123"'),
        ("name:", "F:4: name: is empty; write a value or remove the line"),
        ("name: [a]", "F:4: name: must be text"),
        ('name: "a\\u0007b"', "F:4: name: holds a control character; "
         "in double quotes a backslash makes one; write / in a path, \\\\ elsewhere"),
        ('name: "\\ud800"', "F:4: name: holds a control character; "
         "in double quotes a backslash makes one; write / in a path, \\\\ elsewhere"),
        ('suppress: "C:\\Users\\kim\\no.csv"',
         "F:4: a backslash in double quotes begins a sign of YAML's own; "
         "write / between the folders of a path; elsewhere \\\\, or single quotes"),
        ('suppress: "lists\\no.csv"', "F:4: suppress: is not a file name: there is a control "
         "character in it; in double quotes a backslash makes one; write / between folders"),
        ("suppress: lists\\no.csv", "F:4: suppress: has backslashes in it; write lists/no.csv"),
        ("suppress: 'C:\\no.csv'", "F:4: suppress: is a path of Windows, with backslashes; "
         "write where the file is on this computer, with / between folders"),
        ("suppress: https://example.com/no.csv", "F:4: suppress: is an address of the web, "
         "not a file; download it, and name that file"),
        ("suppress: file:///home/kim/no.csv",
         "F:4: suppress: is an address, not a path; write /home/kim/no.csv"),
        ("on: x", 'F:4: the key `on` is not text in YAML; quote it: "on"'),
        ("? [a]\n: x", "F:4: a key that is itself a list or a block; use a word"),
        ("message: again", "F:4: message: is set twice, on lines 3 and 4; keep one"),
        ("name: !!python/object:os.system x",
         "F:4: name: the tag !!python/object:os.system is not allowed; remove it"),
        ("retry: {timeout: 60}", 'F:4: retry.timeout: has no unit; write "60s"'),
        ('retry: {timeout: "60"}', 'F:4: retry.timeout: has no unit; write "60s"'),
        ("retry: {timeout: 1:30}",
         "F:4: retry.timeout: is not a duration; write one such as 45s, 1m30s, 2h or 30d"),
        ("retry: {timeout: 0s}", "F:4: retry.timeout: must be greater than 0"),
        ("retry: {absent: maybe}", "F:4: retry.absent: `maybe` is not known here; "
         "write 'hold' or 'resend'"),
        ("retry: {attempts: 1.5}",
         "F:4: retry.attempts: must be a whole number, not `1.5`; write digits only"),
        ("retry: {attempts: yes}",
         "F:4: retry.attempts: must be a whole number, not `yes`; write digits only"),
        ("retry: {attempts: }", "F:4: retry.attempts: is empty; write a number or remove the line"),
        ("retry: 5", "F:4: retry: must be keys and values"),
        ("limits: {concurrency: 513}",
         "F:4: limits.concurrency: must be less than or equal to 512"),
        ("limits: {per_hour: 0}", "F:4: limits.per_hour: must be greater than or equal to 1; "
         "write none to switch it off"),
        ("limits: {per_hour: }",
         "F:4: limits.per_hour: is empty; write a number, or none to switch it off"),
        ("limits: {per_hour: 010}",
         "F:4: limits.per_hour: must be a whole number, not `010`; write digits only"),
        ("suppress: [a.csv, 5]", 'F:4: suppress[1]: `5` is a number to YAML, not text; '
         'quote it: "5"'),
        ("suppress: {lists: [a.csv, {source: b.csv, di: x}]}",
         "F:4: suppress.lists[1].di: unknown key; known here: source, id"),
        ("suppress: {id: x}", "F:4: suppress[0].source: is missing; add `source: FILE.csv`"),
        ("suppress: [{source: a.csv, sorce: b.csv}]",
         "F:4: suppress[0].sorce: unknown key; did you mean source?"),
        ("suppress: {lists: a.csv, scop: team}",
         "F:4: suppress.scop: unknown key; did you mean scope?"),
        ("suppress: {scope: all}", "F:4: suppress.scope: `all` is not known here; "
         "write 'everybody' or 'team'"),
        ('suppress: ""', "F:4: suppress: is not a file name; write a path, relative to this file"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_what_to_write(tmp_path: Path, line: str, told: str) -> None:
    assert problems(write(tmp_path, with_line(line))) == [told]


@pytest.mark.parametrize(
    ("senders", "told"),
    [
        ("abc1", "F:1: senders: must be a list; put the value in brackets: [ ]"),
        ("[]", "F:1: senders: is an empty list; name at least one"),
        ("[123]", 'F:1: senders[0]: `123` is a number to YAML, not text; quote it: "123"'),
        ("[A1]", "F:1: senders[0]: `A1` is not the id of an account link; ids are small letters "
         "and digits; `run-campaign senders` lists yours"),
        ("[a1, b2, a1]", "F:1: senders[2]: a1 is a sender already, in place 1; keep one"),
        ("[{per_hour: 3}]",
         "F:1: senders[0].id: is missing; add `id: ID`; `run-campaign senders` lists yours"),
        ("[{id: a1, gap: 120s..45s}]", "F:1: senders[0].gap: begins with the longer pause; "
         "write the shorter one first, such as 45s..120s"),
        ("[{id: a1, gap: 45s..120}]", 'F:1: senders[0].gap: has no unit; write "120s"'),
        ("[{id: a1, gap: 45s..}]",
         "F:1: senders[0].gap: is not a duration; write one such as 45s, 1m30s, 2h or 30d"),
        ("[{id: a1, ramp: {start: 5}}]", "F:1: senders[0].ramp.step: is missing; add it"),
        ("[{id: a1, ramp: }]",
         "F:1: senders[0].ramp: is not a warm-up; write {start: 20, step: 10}, or none"),
        ("[{id: a1, ramp: 20}]",
         "F:1: senders[0].ramp: is not a warm-up; write {start: 20, step: 10}, or none"),
        ("[{id: a1, ramp: {start: 0, step: 1}}]",
         "F:1: senders[0].ramp.start: must be greater than or equal to 1"),
        ("[{id: a1, per_huor: 5}]", "F:1: senders[0].per_huor: unknown key; "
         "did you mean per_hour?"),
    ],
)  # fmt: skip
def test_mistakes_among_senders(tmp_path: Path, senders: str, told: str) -> None:
    text = f"senders: {senders}\nprospects: a.csv\nmessage: x\n"
    assert problems(write(tmp_path, text)) == [told]


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("message: {template: a, text: b}", "F:3: message: has both template and text; keep one"),
        ("message: {}", "F:3: message: is empty; write template: FILE, or the text itself"),
        ('message: "  "', "F:3: message: is empty; write template: FILE, or the text itself"),
        ("message: 2026-01-01", "F:3: message: `2026-01-01` is a date to YAML, not text; "
         'quote it: "2026-01-01"'),
        ("limits: {}", "F:1: message: is missing; add `message:` with the text, or "
         "`message: {template: FILE}`"),
    ],
)  # fmt: skip
def test_mistakes_of_the_message(tmp_path: Path, rest: str, told: str) -> None:
    path = write(tmp_path, f"senders: [a1]\nprospects: a.csv\n{rest}\n")
    assert problems(path) == [told]


@pytest.mark.parametrize(
    ("prospects", "told"),
    [
        ("{source: a.csv, where: {country: }}", "F:2: prospects.where.country: is empty to YAML; "
         "write a value, a word such as Null in quotes"),
        ("{source: a.csv, where: {country: [[NO]]}}",
         "F:2: prospects.where.country[0]: must be text"),
        ("[a.csv, b.csv]", "F:2: prospects: is a list, and one file is meant; "
         "put all rows into one file and name that"),
        ("{source: [a.csv, b.csv]}", "F:2: prospects.source: is a list, and one file is meant; "
         "write the name of one file"),
        ("https://docs.google.com/spreadsheets/d/abc/edit", "F:2: prospects: is an address of the "
         "web, not a file; download it, and name that file"),
        ("data\\p.csv", "F:2: prospects: has backslashes in it; write data/p.csv"),
        ("{source: a.csv, where: {country: []}}",
         "F:2: prospects.where.country: is an empty list; name at least one"),
        ("{source: a.csv, defaults: {no: x}}",
         'F:2: prospects.defaults: the key `no` is not text in YAML; quote it: "no"'),
        ("{source: a.csv, encoding: rot13}", "F:2: prospects.encoding: is not a text encoding; "
         "write utf-8, cp1252, latin-1 or the like"),
        ("{source: a.csv, id_type: x}", "F:2: prospects.id_type: `x` is not known here; "
         "write 'platform', 'inbox' or 'username'"),
        ("{id: x}", "F:2: prospects.source: is missing; add `source: FILE.csv`"),
    ],
)  # fmt: skip
def test_mistakes_of_the_prospects(tmp_path: Path, prospects: str, told: str) -> None:
    path = write(tmp_path, f"senders: [a1]\nprospects: {prospects}\nmessage: x\n")
    assert problems(path) == [told]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://inboxapp.com/api/v2", "is not https"),
        ("ftp://inboxapp.com", "is not https"),
        ("https://me:s3cret@inboxapp.com", "holds a user name or password"),
        ("https://inboxapp.com/?key=s3cret", "holds a query or fragment"),
        ("https://inboxapp.com/#s3cret", "holds a query or fragment"),
        ("https://inboxapp.com/api/v1", "is of another API version than api.version"),
        ("inboxapp.com", "is not an address"),
        ("https://[::1", "is not an address"),
        ("https://a b.com/s3cret", "is not an address"),
        ("https://a.com:99999/s3cret", "is not an address"),
    ],
)
def test_a_bad_address_is_refused_without_showing_it(tmp_path: Path, url: str, told: str) -> None:
    found = problems(write(tmp_path, with_line(f'api: {{base_url: "{url}"}}')))
    assert len(found) == 1
    assert found[0].startswith(f"F:4: api.base_url: {told}")
    assert "s3cret" not in found[0]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Example.com:443/API/", "https://example.com/API"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_an_address_has_one_spelling(tmp_path: Path, url: str, origin: str) -> None:
    path = write(tmp_path, with_line(f'api: {{base_url: "{url}"}}'))
    assert load_campaign(path).origin == origin


@pytest.mark.parametrize(
    "line",
    [
        "api: {token: sk_live_S3CRET}",
        "api: {token: 'x${VAR}'}",
        "api: {token: 12345}",
        "api: {token: [sk_S3CRET]}",
        "api: {token: !x sk_S3CRET}",
        "api: {token: *sk_S3CRET}",
        'api: {token: "sk_S3CRET}',
        "api: sk_S3CRET",
        "api: {tokn: sk_S3CRET}",
    ],
)
def test_a_token_in_the_file_is_never_shown(tmp_path: Path, line: str) -> None:
    for each in problems(write(tmp_path, with_line(line))):
        assert "S3CRET" not in each
        assert "12345" not in each


def test_all_mistakes_are_told_at_once_sorted_by_line(tmp_path: Path) -> None:
    text = "limits: {concurrency: 0}\nsenders: [A]\nprospects: {}\nlimits: {}\nretry: {x: 1}\n"
    found = problems(write(tmp_path, text))
    lines = [int(each.split(":")[1]) for each in found]
    assert lines == [1, 1, 2, 3, 4, 5]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "F: is empty; a campaign needs senders, prospects and message"),
        (b"# nothing\n", "F: is empty; a campaign needs senders, prospects and message"),
        (b"- a\n- b\n", "F:1: is not a list of settings; write keys and values, such as "
         "`prospects: spring.csv`"),
        (b"a: 1\n---\nb: 2\n", "F:2: a second document begins; one campaign to a file"),
        (b"a:\n\tb: 1\n", "F:2: begins with a tab; indent with spaces"),
        (b"a: b: c\n", "F:1: a second `:` on the line; quote the text after the first"),
        (b"a: [1, 2\nb: 3\n", "F:2: a `[` or `{` above is not closed; close it, or add a comma"),
        (b"a: \"b\n", "F:1: a quote that is not closed; close it"),
        (b"a: @b\n", "F:1: a sign that means something in YAML; quote the text"),
        (b"- a\nb: c\n", "F:2: does not fit what stands above it; check indentation, quotes, and "
         "`:` after each key"),
        (b"a: !secret!word b\n", "F:1: YAML cannot be read: found undefined tag handle …; check "
         "quotes, brackets and indentation"),
        (b"a: \xff\n", "F:1: is not UTF-8 text; save it as UTF-8"),
        (b"a: \x00\n", "F:1: holds a control character; remove it"),
        (b"a: *b\n", "F:1: a `*alias` that no `&anchor` defines; quote the text"),
        (b"a: &x [*x]\n", "F:1: a[0]: an alias that contains itself; remove it"),
        (b"a: " + b"[" * 60 + b"]" * 60, "F:1: is nested more than 40 deep; flatten it"),
        (b"a: " + b"[" * 5000, "F:1: is nested more than 40 deep; flatten it"),
        (b"x" * (1 << 20) + b"x", "F: is larger than 1 MiB; is this the prospects file?"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_campaign(tmp_path: Path, data: bytes, told: str) -> None:
    assert problems(write(tmp_path, data)) == [told]


def test_a_merge_bomb_is_stopped(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    found = problems(write(tmp_path, "\n".join(lines)))
    assert len(found) == 1
    assert "more than 10,000 values" in found[0]


def test_anchors_and_merges_are_allowed(tmp_path: Path) -> None:
    text = """senders:
  - &slow {id: a1, per_hour: 5, gap: 60s}
  - {<<: *slow, id: b2}
prospects: a.csv
message: x
"""
    first, second = load_campaign(write(tmp_path, text)).senders
    assert (second.id, second.per_hour, second.gap) == ("b2", first.per_hour, first.gap)


def test_a_mistake_beside_a_merge_has_its_own_line(tmp_path: Path) -> None:
    text = """senders:
  - &slow {id: a1}
  - <<: *slow
    id: B2
prospects: a.csv
message: x
"""
    assert problems(write(tmp_path, text))[0].startswith("F:4: senders[1].id:")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    write(tmp_path, SMALLEST, "spring.yaml")
    (tmp_path / "folder.yaml").mkdir()
    assert problems(tmp_path / "sprnig.yaml") == [
        f"F: no such file; did you mean {tmp_path / 'spring.yaml'}?"
    ]
    assert problems(tmp_path / "spring.csv") == [
        f"F: is not a campaign file; did you mean {tmp_path / 'spring.yaml'}?"
    ]
    assert problems(tmp_path / "zzz.txt") == [
        "F: is not a campaign file; one ends in .yaml or .yml"
    ]
    assert problems(tmp_path / "folder.yaml") == ["F: is a folder; name the campaign file in it"]
    assert problems(tmp_path / "no\0.yaml")[0].endswith("cannot be read (not a file name)")


@pytest.mark.parametrize("stem", ["x" * 101, " "])
def test_a_file_name_that_cannot_be_a_campaign_name(tmp_path: Path, stem: str) -> None:
    found = problems(write(tmp_path, SMALLEST, f"{stem}.yaml"))
    assert found[0].startswith("F:1: name: is not 1 to 100 printable characters")


def test_the_name_is_nfc(tmp_path: Path) -> None:
    campaign = load_campaign(write(tmp_path, with_line("name: cafe\u0301")))
    assert campaign.name == "caf\u00e9"


def test_the_project_lies_beside_campaigns(tmp_path: Path) -> None:
    deep = tmp_path / "team" / "campaigns" / "2026"
    deep.mkdir(parents=True)
    inside = load_campaign(write(deep, SMALLEST))
    assert inside.project_dir == (tmp_path / "team").resolve()
    alone = load_campaign(write(tmp_path, SMALLEST))
    assert alone.project_dir == tmp_path.resolve()
    link = tmp_path / "link.yaml"
    link.symlink_to(deep / "spring.yaml")
    assert load_campaign(link).project_dir == (tmp_path / "team").resolve()


def test_a_campaign_cannot_be_changed(tmp_path: Path) -> None:
    campaign = load_campaign(write(tmp_path, SMALLEST))
    with pytest.raises(ValueError, match="frozen"):
        Campaign.__setattr__(campaign, "name", "other")


def test_the_schema_takes_what_the_loader_takes(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = campaign_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    paced = "senders: [{id: a1, gap: 45s..120s, ramp: {start: 1, step: 1}}, {id: b2, ramp: none}]"
    steps = "steps: [{name: nudge, after: 3d, text: x}, {name: l-2, after: 1h30m, template: a.j2}]"
    for text in (
        *(
            SMALLEST,
            SAMPLE.read_text(),
            FOLLOWED.read_text(),
            SMALLEST.replace("senders: [abc1]", paced),
        ),
        *(with_line(steps), with_line("stop_on: reply"), with_line("stop_on: []")),
        with_line("steps: []\nstop_on: [colleague, assigned]"),
        "senders: [a1]\nprospects: p.csv\nmessage: {variants: {a: a.j2, b: {text: x, share: 2}}}\n"
        "steps: [{name: n, after: 3d, variants: {a: a.j2, b: {text: x}}}]\n",
    ):
        load_campaign(write(tmp_path, text))
        assert not list(validator.iter_errors(yaml.safe_load(text)))
    least = {"senders": ["a"], "prospects": "x", "message": "x"}
    step: dict[str, object] = {"name": "nudge", "after": "3d", "text": "x"}
    wrong = [
        {"senders": ["A"], "prospects": 5, "message": "x"},
        least | {"step": []},
        least | {"stop_on": "answer"},
        *(
            least | {"steps": [each]}
            for each in (
                *("x", step | {"name": "1"}, step | {"name": "a b"}, step | {"after": 3}),
                *({"name": "nudge", "text": "x"}, {"after": "3d", "text": "x"}, step | {"at": "x"}),
                *(step | {"variants": each} for each in ("x", {"a": {"share": 2}})),
            )
        ),
    ]
    assert all(list(validator.iter_errors(each)) for each in wrong)


def test_every_key_of_the_schema_is_described() -> None:
    schema = campaign_schema()
    for section in (schema, *schema["$defs"].values()):
        for full in (section, *section.get("anyOf", [])):
            for name, entry in full.get("properties", {}).items():
                assert entry.get("description") or "$ref" in entry, name
        assert section.get("description") or "anyOf" in section or "title" in section


def test_the_sample_loads() -> None:
    campaign = load_campaign(SAMPLE)
    assert campaign.name == "spring-2026"
    assert len(campaign.senders) == 2
    assert campaign.project_dir == SAMPLE.parents[1]


def test_the_sample_with_a_follow_up_loads() -> None:
    campaign = load_campaign(FOLLOWED)
    assert [(each.name, each.after) for each in campaign.steps] == [("nudge", 3 * 86400.0)]
    assert campaign.stop_on == load_campaign(SAMPLE).stop_on


def test_the_samples_are_those_that_are_shipped() -> None:
    shipped = SAMPLE.parents[1] / "runner" / "cli" / "sample"
    for file in SAMPLE.parent.iterdir():
        assert file.read_bytes() == (shipped / file.name).read_bytes()
