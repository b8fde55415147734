"""What stamps messages need not keep the time of what writes `Date`: no absence follows from it.

Texts come back changed, so that only their stamps tell what is new in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import StartApi
from tests.acceptance.front import Front, in_front_of
from tests.acceptance.support import LINK, Api, Project, people, until

TEXT = "{{ first_name }}, see https://a.example"
RETRY = "settle: 0s, timeout: 5s, key_life: 0s, absent: resend"


@pytest.fixture
def api(start_api: StartApi) -> Api:
    return start_api("--per-minute", "none", "--mangle", "links")


@pytest.fixture
def front_of(on_v1: Project) -> Iterator[Front]:
    """A server in front of the sandbox, by whose address the project goes."""
    with in_front_of(on_v1.api.base) as found:
        on_v1.address = found.base
        yield found


def runs(project: Project, count: int = 2) -> None:
    """Runs in processes of their own, each to its end."""
    for _ in range(count):
        project.run(project.campaign)


@pytest.mark.parametrize("ahead", [45.0, 1200.0, 26 * 3600.0])
def test_a_clock_that_no_acceptance_has_measured_proves_no_absence(
    on_v1: Project, front_of: Front, ahead: float
) -> None:
    on_v1.write(people(1), text=TEXT, retry=RETRY)
    front_of.ahead = ahead
    on_v1.api.faults("accept_then_reset:times=1")
    runs(on_v1)
    assert on_v1.api.recipients == people(1)
    assert on_v1.counts() == {"in_doubt": 1}
    told = on_v1.run("resolve", on_v1.campaign, "--list").all
    assert "how far the API's clocks are apart" in told


@pytest.mark.parametrize(("before", "after"), [(45.0, 45.0), (None, 45.0), (45.0, None)])
def test_what_an_earlier_run_has_measured_holds_for_a_later_one(
    on_v1: Project, front_of: Front, before: float | None, after: float | None
) -> None:
    ids = people(2)
    on_v1.write(ids, text=TEXT, concurrency=1, retry=RETRY)
    front_of.ahead = before
    on_v1.run(on_v1.campaign, "--limit", "1")
    front_of.ahead = after
    on_v1.api.faults(f"accept_then_reset:recipient={ids[1]},times=1")
    runs(on_v1)
    assert on_v1.api.recipients == ids
    assert on_v1.counts() == {"sent": 1, "in_doubt": 1}


@pytest.mark.parametrize("ahead", [None, 45.0])
def test_what_is_surely_older_keeps_nobody_from_a_first_message(
    on_v1: Project, front_of: Front, ahead: float | None
) -> None:
    """The sender has written to the person before: by its measured stamp that is not this one."""
    ids = people(2)
    older = {"accountLinkId": LINK, "platformId": ids[1], "content": "Good to meet you!"}
    on_v1.api.ask("outbound", older | {"origin": "api", "ago": 300})
    on_v1.write(ids, text=TEXT, concurrency=1, retry=RETRY.replace("0s", "2s", 1))
    front_of.ahead = ahead
    on_v1.api.faults(f"reset_before:recipient={ids[1]},times=1")
    running = on_v1.start(on_v1.campaign)
    until(lambda: on_v1.counts().get("in_doubt"), "the doubt")
    running.process.kill()
    running.process.wait()
    runs(on_v1)
    assert on_v1.api.recipients == ids
    assert on_v1.counts() == {"sent": 2}
