"""A campaign file with a base: what it brings in, what stays locked, where each value stands."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.campaign.identity import identify
from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign, campaign_schema
from runner.errors import CampaignError, ChangesError
from runner.planning.draft import Draft
from runner.workers.submission import _hand_in

BASE = """\
senders:
  - {id: abc1, per_hour: 10}
  - id: def2
prospects: {id: twitter_id, defaults: {first_name: there}}
suppress: never.csv
message: {template: hello.j2}
limits: {per_hour: 500}
schedule: {timezone: Europe/London, windows: [{days: mon-fri, from: "09:00", to: "17:30"}]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("campaigns", "teams"):
        (tmp_path / name).mkdir()
    return tmp_path


def write(name: str, text: str | bytes) -> Path:
    path = Path(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def child(text: str, base: str | bytes = BASE) -> Campaign:
    """The campaign of a file with a base in another folder."""
    write("teams/acme.yaml", base)
    extends = "extends: ../teams/acme.yaml\n"
    return load_campaign(write("campaigns/spring.yaml", extends + text))


def refusal(text: str, base: str | bytes = BASE) -> list[str]:
    with pytest.raises(CampaignError) as caught:
        child(text, base)
    return str(caught.value).splitlines()


@pytest.mark.usefixtures("folder")
class TestMerging:
    def test_a_child_says_no_more_than_what_is_its_own(self) -> None:
        campaign = child("prospects: spring.csv\n")
        assert campaign.name == "spring"
        assert [(each.id, each.per_hour) for each in campaign.senders] == [
            ("abc1", 10),
            ("def2", 20),
        ]
        assert campaign.prospects.id == "twitter_id"
        assert campaign.prospects.defaults == {"first_name": "there"}
        assert campaign.limits.per_hour == 500

    def test_paths_are_relative_to_the_file_that_they_stand_in(self) -> None:
        campaign = child("prospects: spring.csv\nsuppress: [own.csv]\n")
        assert campaign.prospects.source == Path("campaigns/spring.csv")
        assert campaign.message.template == Path("teams/hello.j2")
        assert [each.source for each in campaign.suppress.lists] == [
            Path("teams/never.csv"),
            Path("campaigns/own.csv"),
        ]

    def test_a_chain_of_three_each_in_its_own_folder(self) -> None:
        Path("agency").mkdir()
        write("agency/all.yaml", "suppress: all.csv\nlimits: {per_day: 900}\n")
        campaign = child("prospects: s.csv\n", "extends: ../agency/all.yaml\n" + BASE)
        assert campaign.limits.per_day == 900
        lists = [str(each.source) for each in campaign.suppress.lists]
        assert lists == ["agency/all.csv", "teams/never.csv"]
        assert [str(path) for path, _ in campaign.files] == [
            "campaigns/spring.yaml",
            "teams/acme.yaml",
            "agency/all.yaml",
        ]

    def test_senders_merge_by_id_and_new_ones_follow(self) -> None:
        campaign = child("prospects: s.csv\nsenders: [ghi3, {id: abc1, per_day: 40}]\n")
        found = [(each.id, each.per_hour, each.per_day) for each in campaign.senders]
        assert found == [("abc1", 10, 40), ("def2", 20, 150), ("ghi3", 20, 150)]

    def test_other_lists_replace(self) -> None:
        windows = 'schedule: {windows: [{days: sat, from: "10:00", to: "12:00"}]}\n'
        schedule = child("prospects: s.csv\n" + windows).schedule
        assert [window.days for window in schedule.windows] == [frozenset({5})]
        assert schedule.timezone == "Europe/London"

    @pytest.mark.parametrize("message", ["'Hi {{ it }}'", "{text: 'Hi {{ it }}'}"])
    def test_a_text_takes_the_place_of_a_template(self, message: str) -> None:
        campaign = child(f"prospects: s.csv\nmessage: {message}\n")
        assert campaign.message.template is None
        assert campaign.message.text == "Hi {{ it }}"
        assert campaign.text_place(1)[0] == "campaigns/spring.yaml"

    def test_a_text_of_the_base_is_told_by_its_file_and_line(self) -> None:
        base = BASE.replace("message: {template: hello.j2}", "message: |\n  Hi\n  there")
        campaign = child("prospects: s.csv\n", base)
        assert campaign.text_place(2) == ("teams/acme.yaml", 8)

    def test_a_name_is_never_inherited(self) -> None:
        assert child("prospects: s.csv\n", "name: acme\n" + BASE).name == "spring"
        assert child("name: mine\nprospects: s.csv\n", "name: acme\n" + BASE).name == "mine"

    def test_the_identity_is_known_from_the_base_too(self) -> None:
        here = "api: {base_url: http://127.0.0.1:8765/api/v2}\n"
        campaign = child("prospects: s.csv\n", here + BASE)
        assert identify(campaign.path).name == campaign.name == "spring (SANDBOX)"

    @pytest.mark.parametrize("base", [
        BASE.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + BASE.encode(),
        b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode(),
    ])  # fmt: skip
    def test_a_base_as_windows_saves_it(self, base: bytes) -> None:
        plain = child("prospects: s.csv\n").whole_text
        assert child("prospects: s.csv\n", base).whole_text == plain

    def test_anchors_and_aliases_stay_in_their_file(self) -> None:
        base = BASE.replace("{per_hour: 500}", "&slow {per_hour: 500}")
        merged = child(
            "prospects: s.csv\nguard: &g {in_doubt: 5}\n", base + "retry:\n  <<: {attempts: 2}\n"
        )
        assert merged.limits.per_hour == 500
        assert merged.retry.attempts == 2
        told = refusal("prospects: s.csv\nlimits: *slow\n", base)
        assert told == [
            "campaigns/spring.yaml:3: a `*alias` that no `&anchor` defines; quote the text"
        ]

    def test_a_file_that_is_linked_is_relative_to_where_the_link_is(self, folder: Path) -> None:
        write("teams/real.yaml", BASE)
        (folder / "campaigns/base.yaml").symlink_to("../teams/real.yaml")
        path = write("campaigns/spring.yaml", "extends: base.yaml\nprospects: s.csv\n")
        assert load_campaign(path).message.template == Path("campaigns/hello.j2")

    def test_paths_hold_from_another_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        child("prospects: s.csv\n")
        monkeypatch.chdir(folder / "teams")
        campaign = load_campaign(Path("../campaigns/spring.yaml"))
        assert campaign.message.template is not None
        assert campaign.message.template.resolve() == folder / "teams/hello.j2"


@pytest.mark.usefixtures("folder")
class TestMistakes:
    def test_a_value_of_the_base_is_told_where_it_stands(self) -> None:
        told = refusal("prospects: s.csv\nlimits: {per_hour: x}\n", BASE + "retry: {attempts: y}\n")
        assert told == [
            "campaigns/spring.yaml:3: limits.per_hour: must be a whole number, not `x`; "
            "write digits only",
            "teams/acme.yaml:9: retry.attempts: must be a whole number, not `y`; write digits only",
        ]

    def test_an_entry_of_a_joined_list_is_told_where_it_stands(self) -> None:
        told = refusal("prospects: s.csv\nsuppress: [a.csv, 5]\n", BASE + "locked: [speed]\n")
        assert told == [
            "campaigns/spring.yaml:3: suppress.lists[2]: `5` is a number to YAML, not text; "
            'quote it: "5"',
            "teams/acme.yaml:9: locked[0]: `speed` is not known here; "
            "write 'limits', 'guard' or 'suppress'",
        ]

    def test_what_neither_has_is_missing_in_the_child(self) -> None:
        assert refusal("", BASE.replace("prospects: {id:", "prospects: {sender: owner, id:")) == [
            "teams/acme.yaml:4: prospects.source: is missing; add `source: FILE.csv`"
        ]

    def test_a_sender_twice_in_one_file(self) -> None:
        told = refusal("prospects: s.csv\nsenders: [abc1, abc1]\n")
        assert told == [
            "campaigns/spring.yaml:3: senders[2]: abc1 is a sender already, in place 1; keep one"
        ]

    def test_a_key_twice_in_the_base(self) -> None:
        told = refusal("prospects: s.csv\n", BASE + "limits: {per_hour: 9}\n")
        assert told == ["teams/acme.yaml:9: limits: is set twice, on lines 7 and 9; keep one"]

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ("https://example.com/a.yaml",
             "extends: is an address of the web, not a file; download it, and name that file"),
            ("[a.yaml, b.yaml]",
             "extends: is a list, and one base is meant; let that one extend the other"),
            ("", "extends: is empty; write a path, relative to this file"),
            ("5", "extends: `5` is not a file name; write a path, relative to this file"),
            ("'../teams\\acme.yaml'", "extends: has backslashes in it; write ../teams/acme.yaml"),
            ("../teams/acne.yaml", "extends: campaigns/../teams/acne.yaml: no such file; "
             "did you mean campaigns/../teams/acme.yaml?"),
            ("../teams", "extends: teams: is not a campaign file; one ends in .yaml or .yml"),
            ("empty.yaml", "extends: campaigns/empty.yaml: is empty; write into it what campaigns "
             "share"),
            ("loop.yaml", "extends: campaigns/loop.yaml: cannot be read (Too many levels of "
             "symbolic links)"),
            ("spring.yaml", "extends: goes round in a circle: campaigns/spring.yaml -> "
             "campaigns/spring.yaml; take one of them out"),
            ("link.yaml", "extends: goes round in a circle: campaigns/spring.yaml -> "
             "campaigns/link.yaml; take one of them out"),
        ],
    )  # fmt: skip
    def test_a_base_that_is_none(self, said: str, told: str) -> None:
        write("teams/acme.yaml", BASE)
        write("campaigns/empty.yaml", "# nothing yet\n")
        Path("campaigns/loop.yaml").symlink_to("loop.yaml")
        Path("campaigns/link.yaml").symlink_to("spring.yaml")
        path = write("campaigns/spring.yaml", f"prospects: s.csv\nextends: {said}\n")
        with pytest.raises(CampaignError) as caught:
            load_campaign(path)
        assert str(caught.value) == f"campaigns/spring.yaml:2: {told}"

    def test_a_base_that_is_no_map(self) -> None:
        assert refusal("prospects: s.csv\n", "- a\n- b\n") == [
            "teams/acme.yaml:1: is not a list of settings; "
            "write keys and values, such as `prospects: spring.csv`"
        ]

    def test_a_base_that_is_no_text(self) -> None:
        told = refusal("prospects: s.csv\n", "a: 1\nb: ü".encode("cp1252"))
        assert told == ["teams/acme.yaml:2: is not UTF-8 text; save it as UTF-8"]

    def test_a_cycle_names_its_files(self) -> None:
        write("teams/all.yaml", "extends: acme.yaml\n")
        told = refusal("prospects: s.csv\n", "extends: all.yaml\n" + BASE)
        assert told == [
            "teams/all.yaml:1: extends: goes round in a circle: teams/acme.yaml -> teams/all.yaml "
            "-> teams/acme.yaml; take one of them out"
        ]

    def test_a_literal_token_in_the_base_is_never_shown(self) -> None:
        told = refusal("prospects: s.csv\n", "api: {token: sk-very-secret}\n" + BASE)
        assert told[0].startswith("teams/acme.yaml:1: api.token: must name an environment variable")
        assert "sk-very-secret" not in "".join(told)


LOCKED = BASE + "locked: [limits, guard, suppress]\n"


@pytest.mark.usefixtures("folder")
class TestLocks:
    @pytest.mark.parametrize(
        "said",
        [
            "limits: {per_hour: 400, concurrency: 2}",
            "senders: [{id: abc1, per_hour: 5, gap: 800s..900s, ramp: {start: 5, step: 1}}]",
            "senders: [{id: new9, per_hour: 20, per_day: 10}]",
            "guard: {failure_rate: 0.1, consecutive_failures: 3}",
            "contact_once_in: 90d",
            "skip_known: {talked_within: 5d}",
            "replies: {stop: [nope], for: 20d}",
            "suppress: [own.csv]",
            "schedule: {windows: [{days: sat, from: '10:00', to: '12:00'}]}",
        ],
    )
    def test_a_child_may_be_stricter(self, said: str) -> None:
        child(f"prospects: s.csv\n{said}\n", LOCKED)

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ("limits: {per_hour: 501}",
             "limits.per_hour: 501 is looser than 500 of teams/acme.yaml:7, and teams/acme.yaml:9 "
             "locks limits; write 500 or less, or take it out"),
            ("limits: {per_minute: none}",
             "limits.per_minute: none is looser than 300 by default, and teams/acme.yaml:9 "
             "locks limits; write 300 or less, or take it out"),
            ("limits: {concurrency: 17}",
             "limits.concurrency: 17 is looser than 16 by default, and teams/acme.yaml:9 "
             "locks limits; write 16 or less, or take it out"),
            ("senders: [{id: abc1, per_hour: 11}]",
             "senders[0].per_hour: 11 is looser than 10 of teams/acme.yaml:2, and "
             "teams/acme.yaml:9 locks limits; write 10 or less, or take it out"),
            ("senders: [{id: abc1, gap: 1s..900s}]",
             "senders[0].gap: 1s..900s is looser than 360s by default, and teams/acme.yaml:9 "
             "locks limits; write 360s or longer, or take it out"),
            ("senders: [{id: new9, per_day: none}]",
             "senders[2].per_day: none is looser than 150 by default, and teams/acme.yaml:9 "
             "locks limits; write 150 or less, or take it out"),
            ("suppress: {scope: team}",
             "suppress.scope: team is looser than everybody by default, and teams/acme.yaml:9 "
             "locks suppress; write everybody, or take it out"),
            ("guard: {failure_rate: none}",
             "guard.failure_rate: none is looser than 0.2 by default, and teams/acme.yaml:9 "
             "locks guard; write 0.2 or less, or take it out"),
            ("contact_once_in: 1d",
             "contact_once_in: 1d is looser than 30d by default, and teams/acme.yaml:9 "
             "locks suppress; write 30d or more, or take it out"),
            ("replies: {for: 1d}",
             "replies.for: 1d is looser than 14d by default, and teams/acme.yaml:9 "
             "locks suppress; write 14d or more, or take it out"),
        ],
    )  # fmt: skip
    def test_nothing_gets_looser(self, said: str, told: str) -> None:
        assert refusal(f"prospects: s.csv\n{said}\n", LOCKED) == [
            f"campaigns/spring.yaml:3: {told}"
        ]

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ("skip_known:", "skip_known.talked_within: none is looser than 90d"),
            ("skip_known: {talked_within: none}",
             "skip_known.talked_within: none is looser than 90d"),
            ("skip_known: {assigned: false}", "skip_known.assigned: false is looser than true"),
            ("skip_known: {tags: [vip2]}", "skip_known.tags: [vip2] is looser than [vip]"),
            ("replies: {stop: []}", "replies.stop:"),
            ("replies: {stop: [nein]}", "replies.stop: [nein] is looser than [kein Bedarf]"),
        ],
    )  # fmt: skip
    def test_nothing_of_what_keeps_people_out_is_switched_off(self, said: str, told: str) -> None:
        known = "skip_known: {talked_within: 90d, assigned: true, tags: [vip]}\n"
        base = f"{LOCKED}{known}replies: {{stop: [kein Bedarf]}}\n"
        assert any(f"campaigns/spring.yaml:3: {told}" in line
                   for line in refusal(f"prospects: s.csv\n{said}\n", base))  # fmt: skip

    def test_a_warm_up_may_not_be_taken_out(self) -> None:
        base = LOCKED.replace("{id: abc1,", "{id: abc1, ramp: {start: 20, step: 10},")
        told = refusal("prospects: s.csv\nsenders: [{id: abc1, ramp: none}]\n", base)
        assert told[0].startswith(
            "campaigns/spring.yaml:3: senders[0].ramp.start: none is looser than 20 of "
            "teams/acme.yaml:2"
        )

    @pytest.mark.parametrize("said", [
        "suppress: []", "suppress: own.csv", "suppress: {lists: own.csv}", "suppress: {lists: []}",
        "suppress: {source: own.csv, id: x}", "suppress: {scope: everybody}", "locked: []",
    ])  # fmt: skip
    def test_a_list_only_gets_longer_and_a_lock_stays(self, said: str) -> None:
        campaign = child(f"prospects: s.csv\n{said}\n", LOCKED)
        assert campaign.suppress.lists[0].source == Path("teams/never.csv")
        assert campaign.locked == ("limits", "guard", "suppress")

    @pytest.mark.parametrize("said", ["", "{lists: }", "{lists: 5}", "5"])
    def test_a_list_is_not_replaced_by_something_else(self, said: str) -> None:
        assert refusal(f"prospects: s.csv\nsuppress: {said}\n", LOCKED)

    def test_a_lock_holds_below_the_next_file_too(self) -> None:
        write("teams/all.yaml", "locked: limits\nlimits: {per_hour: 400}\n")
        middle = "extends: all.yaml\n" + BASE.replace("500", "300") + "locked: []\n"
        told = refusal("prospects: s.csv\nlimits: {per_hour: 350}\n", middle)
        assert told == [
            "campaigns/spring.yaml:3: limits.per_hour: 350 is looser than 300 of "
            "teams/acme.yaml:8, and teams/all.yaml:1 locks "
            "limits; write 300 or less, or take it out"
        ]
        told = refusal("prospects: s.csv\n", "extends: all.yaml\n" + BASE)
        assert told[0].startswith("teams/acme.yaml:8: limits.per_hour: 500 is looser than 400 of")

    def test_a_locked_value_that_is_not_understood_locks_all_the_same(self) -> None:
        told = refusal("prospects: s.csv\nlimits: {per_hour: 9}\n", LOCKED.replace("500", "many"))
        assert told == [
            "teams/acme.yaml:7: limits.per_hour: is not understood, and teams/acme.yaml:9 locks "
            "limits; correct it"
        ]


def test_the_schema_lets_a_child_and_a_base_leave_things_out() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(campaign_schema())

    def is_taken(said: dict[str, object]) -> bool:
        return not list(validator.iter_errors(said))

    assert is_taken({"extends": "a.yaml"})
    assert is_taken({"extends": "a.yaml", "prospects": {"id": "x"}, "limits": {"per_hour": 5}})
    assert is_taken({"locked": ["limits"], "limits": {"per_hour": 5}})
    assert is_taken({"extends": "a.yaml", "senders": [{"id": "a1", "ramp": {"start": 4}}]})
    assert not is_taken({"prospects": "a.csv", "message": "Hi"})
    assert not is_taken({"senders": ["a1"], "prospects": {"id": "x"}, "message": "Hi"})
    lists = ["a.csv", {"source": "b.csv", "id": "x"}]
    for said in ("a.csv", lists, {"source": "a.csv"}, {"scope": "team"}, {"lists": lists}):
        assert is_taken({"extends": "a.yaml", "suppress": said})
    assert not is_taken({"extends": "a.yaml", "suppress": {"scope": "all"}})
    assert not is_taken({"extends": ["a.yaml"]})
    assert not is_taken({"extends": "a.yaml", "locked": ["speed"]})


@pytest.mark.usefixtures("folder")
def test_a_scope_is_said_by_the_base_or_the_campaign() -> None:
    assert child("prospects: s.csv\n").suppress.scope == "everybody"
    theirs = BASE.replace("suppress: never.csv", "suppress: {lists: never.csv, scope: team}")
    campaign = child("prospects: s.csv\nsuppress: own.csv\n", theirs)
    assert campaign.suppress.scope == "team"
    assert [each.source.name for each in campaign.suppress.lists] == ["never.csv", "own.csv"]
    everybody = "prospects: s.csv\nsuppress: {scope: everybody}\n"
    strict = child(everybody, theirs + "locked: suppress\n")
    assert strict.suppress.scope == "everybody"


@pytest.mark.usefixtures("folder")
def test_the_whole_text_means_the_same_where_no_base_is() -> None:
    campaign = child('prospects: s.csv\nsuppress: [own.csv]\nname: "1e5"\ntag: "no"\n')
    os.remove("teams/acme.yaml")
    again = load_campaign(campaign.path, campaign.whole_text)
    told, same = campaign.model_dump(), again.model_dump()
    assert again.message.template == Path("teams/hello.j2").resolve()
    assert again.suppress.lists[0].source == Path("teams/never.csv").resolve()
    for each in (told, same):
        each["message"]["template"] = each["message"]["template"].name
        each["suppress"] = [one["source"].name for one in each["suppress"]["lists"]]
    assert same == told


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["campaigns/spring.yaml", "teams/acme.yaml"])
def test_a_file_that_was_edited_meanwhile_is_not_handed_in(name: str) -> None:
    campaign = child("prospects: s.csv\n")
    Path(name).write_text(Path(name).read_text() + "# later\n")
    none = cast("Any", SimpleNamespace())
    with pytest.raises(ChangesError, match=f"{name} was edited while it was handed in"):
        _hand_in(cast("Draft", SimpleNamespace(campaign=campaign)), none, none, "", 0.0)
