"""Variants: how they are dealt, what they can show, and what they have shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.campaign.senders import Sender
from runner.message.plan import Change, Entry, Known
from runner.message.prospect import Prospect, Recipient
from runner.message.status import MessageStatus, SkipReason
from runner.planning.planner import RowText, plan_messages
from runner.planning.variants import VariantPicker
from runner.variants.chance import LEFT_OUT, chance, distance
from runner.variants.dealer import Dealer, block_of
from runner.variants.difference import difference
from runner.variants.mismatch import is_mismatch, mismatch_probability
from runner.variants.power import LEVEL, Sizes, deviate, level_of, needed, power_text
from runner.variants.verdict import NO_DIFFERENCE, TOO_EARLY, Arm, Verdict, pairs_of
from tests.reference_statistics import scipy_stats, statsmodels
from tests.support import recipient

S = MessageStatus
SHARES = st.dictionaries(
    st.sampled_from(["plain", "question", "short", "long"]), st.integers(0, 5), min_size=2
).filter(lambda shares: any(shares.values()))


@settings(deadline=None)
@given(SHARES, st.lists(st.sampled_from("ab"), max_size=200), st.integers(0, 200))
def test_what_a_senders_people_get_is_within_a_block_of_the_shares(
    shares: dict[str, int], senders: list[str], stop: int
) -> None:
    """Also where a plan has ended in the midst of a block, and another one has gone on."""
    dealer = Dealer("spring", shares)
    got: dict[str, Counter[str]] = {"a": Counter(), "b": Counter()}
    for number, sender in enumerate(senders):
        if number == stop:
            dealer = Dealer("spring", shares, json.loads(json.dumps(dealer.left)))
        got[sender][dealer.deal(recipient(number), sender)] += 1
    block = block_of(shares)
    for counts in got.values():
        rounds, more = divmod(counts.total(), sum(block.values()))
        for name in shares:
            least = rounds * block.get(name, 0)
            assert least <= counts[name] <= least + min(more, block.get(name, 0))


def test_who_gets_what_depends_on_the_campaign_and_the_person() -> None:
    def dealt(seed: str, people: Sequence[int]) -> list[str]:
        dealer = Dealer(seed, {"plain": 1, "question": 1})
        return [dealer.deal(recipient(one), "a") for one in people]

    assert dealt("spring", range(40)) == dealt("spring", range(40))
    assert dealt("spring", range(40)) != dealt("autumn", range(40))
    assert dealt("spring", range(40)) != dealt("spring", range(40, 80))
    # The first of a pair gets either as often.
    firsts = Counter(dealt("spring", range(2000))[::2])
    assert abs(firsts["plain"] - 500) < 80


NAMES = ("plain", "question")


def texts_of(*texts: str) -> tuple[RowText, ...]:
    return tuple((text, None, "") if text else ("", SkipReason.EMPTY_TEXT, "") for text in texts)


class Sheet:
    """A ledger's worth of a campaign in memory: people are planned, and some are sent to."""

    def __init__(self) -> None:
        self.known: dict[Recipient, Known] = {}
        self.left: dict[str, dict[str, int]] = {}
        self.shares: dict[str, int] = {}

    def plan(self, people: Sequence[int], shares: dict[str, int], *, dies: bool = False) -> None:
        same = block_of(shares) == block_of(self.shares) if self.shares else False
        dealer = Dealer("spring", shares, self.left if same else None)
        rows = [Prospect(at, recipient(one), {}) for at, one in enumerate(people, 2)]
        chunks = plan_messages(
            rows,
            lambda _: texts_of(*shares),
            [Sender(id="a"), Sender(id="b")],
            lambda some: {one: self.known[one] for one in some if one in self.known},
            {},
            pick=VariantPicker(tuple(shares), dealer),
        )
        entries = [entry for chunk in chunks for entry in chunk if isinstance(entry, Entry)]
        if dies:
            return  # all or nothing
        self.left, self.shares = dealer.left, shares
        for entry in entries:
            if entry.change is not Change.KEPT:
                planned = entry.planned
                self.known[planned.recipient] = Known(
                    planned.sender, S.QUEUED, planned.text, planned.row, variant=planned.variant
                )


@settings(max_examples=50)
@given(st.data())
def test_nobody_is_dealt_a_second_time(data: st.DataObject) -> None:
    """However the sheet grows, shrinks or is re-ordered, shares change, and plans die."""
    sheet = Sheet()
    for _ in range(data.draw(st.integers(2, 5))):
        before = {to: known.variant for to, known in sheet.known.items()}
        people = data.draw(st.lists(st.integers(0, 60), unique=True))
        shares = {name: data.draw(st.integers(0, 3)) for name in NAMES}
        shares["question"] += not any(shares.values())
        sheet.plan(people, shares, dies=data.draw(st.booleans()))
        assert {to: sheet.known[to].variant for to in before} == before


def pick(
    known: Known | None, *texts: str, rest_with: str = "", names: tuple[str, ...] = NAMES
) -> tuple[RowText, str, bool]:
    dealer = Dealer("spring", dict.fromkeys(names, 1))
    return VariantPicker(names, dealer, rest_with)(recipient(1), "a", known, texts_of(*texts))


def test_who_is_written_to_already_is_dealt_nothing() -> None:
    for status in (S.SENT, S.SENDING, S.IN_DOUBT):
        for variant in ("", "gone", "plain"):
            known = Known("a", status, variant=variant)
            assert pick(known, "P", "Q")[1:] == (variant, False)
            assert pick(known, "P", "Q", rest_with="question")[1:] == (variant, False)


def test_who_cannot_get_one_of_the_texts_is_dealt_none() -> None:
    (_, skip, detail), variant, _ = pick(None, "P", "")
    assert (skip, detail, variant) == (SkipReason.EMPTY_TEXT, "variant question: ", "")
    # But who was dealt the other before keeps it.
    known = Known("a", S.QUEUED, variant="plain")
    assert pick(known, "P", "") == (("P", None, ""), "plain", False)


def test_a_person_chooses_for_all_who_are_not_written_to() -> None:
    for variant in ("", "plain", "question", "gone"):
        known = Known("a", S.QUEUED, variant=variant)
        assert pick(known, "P", "Q", rest_with="question") == (("Q", None, ""), "question", True)
    chosen = Known("a", S.QUEUED, variant="question", chosen=True)
    assert pick(chosen, "P", "Q") == (("Q", None, ""), "question", True)


@pytest.mark.parametrize("base", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("jump", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("ratio", [1.0, 2.0, 0.5])
def test_how_many_are_needed_is_what_statsmodels_says(
    base: float, jump: float, ratio: float
) -> None:
    other = base + jump
    spread = (base * (1 - base) + other * (1 - other) / ratio) ** 0.5
    for level in (0.05, 0.05 / 3):
        says = statsmodels("power").normal_sample_size_one_tail(
            jump, 0.8, level / 2, std_null=spread, std_alternative=spread
        )
        assert needed(base, other, ratio=ratio, level=level) == pytest.approx(says, abs=1)


@pytest.mark.parametrize(
    ("counts", "even", "told"),
    [
        ([100, 100], True, "with 100 each only a jump from 10 % to 25 % would show; for 10 % "
         "against 15 % you need 683 each"),
        ([683, 690], True, "with 683 each a jump from 10 % to 15 % would show"),
        ([682, 682], True, "with 682 each only a jump from 10 % to 16 % would show; for 10 % "
         "against 15 % you need 683 each"),
        ([5000, 5000], True, "with 5,000 each a jump from 10 % to 12 % would show"),
        ([19, 20], True, "with 19 each no difference would show; for 10 % against 15 % you need "
         "683 each"),
        ([0, 9], False, "with 0 and 9 no difference would show; for 10 % against 15 % you need "
         "683 each"),
        ([100, 200], False, "with 100 and 200 only a jump from 10 % to 24 % would show; for 10 % "
         "against 15 % you need 542 and 1,084"),
        ([100, 100, 100], True, "with 100 each only a jump from 10 % to 28 % would show; for 10 % "
         "against 15 % you need 911 each"),
        ([100], True, ""),
        ([], True, ""),
    ],
)  # fmt: skip
def test_what_so_many_can_show_is_told(counts: list[int], even: bool, told: str) -> None:
    assert power_text(counts, even=even) == told


@pytest.mark.slow
def test_what_is_said_to_show_does_show() -> None:
    """As often as is said, by the exact probabilities of every outcome."""
    for people, other in ((100, 0.25), (683, 0.15)):
        assert Sizes(people, people).shown() == round(100 * other)
        assert probability_of_a_winner(people, 0.1, other) == pytest.approx(0.8, abs=0.007)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("people", "share"),
    [(20, 0.34), (25, 0.5), (30, 0.5), (40, 0.5), (60, 0.5), (20, 0.1), (50, 0.1), (50, 0.2)],
)
def test_equal_texts_have_a_winner_in_one_of_twenty_campaigns_at_most(
    people: int, share: float
) -> None:
    """Where the interval alone would name one in up to 6.5 %, too."""
    assert probability_of_a_winner(people, share, share) <= LEVEL


def probability_of_a_winner(people: int, share: float, other: float) -> float:
    """By the probabilities of every outcome that is not next to impossible."""
    least, sure = deviate(LEVEL), 0.5 if people <= 60 else 0.05
    found, shows = 0.0, {}
    ones = scipy_stats().binom.pmf(range(people + 1), people, share)
    others = scipy_stats().binom.pmf(range(people + 1), people, other)
    for x in range(people + 1):
        for y in range(people + 1):
            far = abs(distance(y, people, x, people))
            if far <= least or ones[x] * others[y] < 1e-9:
                continue
            if far < least + sure and (min(x, y), max(x, y)) not in shows:
                by = difference(max(x, y), people, min(x, y), people)
                shows[min(x, y), max(x, y)] = by.shows
            if shows.get((min(x, y), max(x, y)), True):
                found += ones[x] * others[y]
    return found


@settings(deadline=None)
@given(st.integers(20, 300), st.integers(20, 300), st.data())
def test_the_interval_is_that_of_statsmodels_unless_chance_says_otherwise(
    one: int, other: int, data: st.DataObject
) -> None:
    x, y = data.draw(st.integers(0, one)), data.draw(st.integers(0, other))
    for level in (0.05, 0.05 / 3):
        found = difference(x, one, y, other, level)
        low, high = statsmodels("proportion").confint_proportions_2indep(
            x, one, y, other, method="agresti-caffo", alpha=level
        )
        assert found.value == pytest.approx(x / one - y / other)
        if low < 0 < high or chance(x, one, y, other) <= level:
            expected = max(low, -1.0), min(high, 1.0)
            assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
        else:
            assert not found.shows
            assert found.low <= low
            assert found.high >= high


@pytest.mark.parametrize(
    "counts", [(3, 20, 9, 20), (0, 20, 5, 22), (12, 25, 20, 25), (2, 30, 9, 31), (20, 40, 29, 41)]
)
def test_chance_is_the_sum_of_all_outcomes_as_far_apart(
    counts: tuple[int, int, int, int],
) -> None:
    x, one, y, other = counts
    far = abs(distance(*counts)) - 1e-9
    # Clopper and Pearson's interval, as scipy has its quantiles.
    part, whole = x + y, one + other
    low = scipy_stats().beta.ppf(LEFT_OUT / 2, part, whole - part + 1)
    high = scipy_stats().beta.ppf(1 - LEFT_OUT / 2, part + 1, whole - part)
    most = 0.0
    for step in range(81):
        share = low + (high - low) * step / 80
        ones = scipy_stats().binom.pmf(range(one + 1), one, share)
        others = scipy_stats().binom.pmf(range(other + 1), other, share)
        pairs = ((i, j) for i in range(one + 1) for j in range(other + 1))
        as_far = [(i, j) for i, j in pairs if abs(distance(i, one, j, other)) >= far]
        most = max(most, sum(ones[i] * others[j] for i, j in as_far))
    assert chance(*counts) == pytest.approx(LEFT_OUT + most, abs=2e-4)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 500)), min_size=2, max_size=6))
def test_a_mismatch_is_as_probable_as_scipy_says(pairs: list[tuple[int, int]]) -> None:
    dealt, written = [a for a, _ in pairs], [b for _, b in pairs]
    if not sum(written):
        assert mismatch_probability(written, dealt) == 1.0
        return
    expected = [each * sum(written) / sum(dealt) for each in dealt]
    says = scipy_stats().chisquare(written, expected).pvalue
    assert mismatch_probability(written, dealt) == pytest.approx(says, abs=1e-9)


def test_the_tail_of_a_chi_square_is_that_of_scipy() -> None:
    from runner.variants.mismatch import _chi_square_tail  # noqa: PLC0415 - of this test alone

    for freedom in range(1, 10):
        for value in (0.1, 1.0, 5.0, 20.0, 60.0):
            found = _chi_square_tail(value, freedom)
            assert found == pytest.approx(scipy_stats().chi2.sf(value, freedom), rel=1e-9)


def test_unequal_shares_are_noticed_beyond_chance() -> None:
    assert not is_mismatch([100, 95], [100, 100])
    assert not is_mismatch([100, 200], [110, 222])
    assert is_mismatch([600, 480], [700, 700])
    assert not is_mismatch([0, 0], [0, 0])


def arm(name: str, written_to: int, replied: int) -> Arm:
    return Arm(name, 1, written_to, written_to, replied)


def verdict(*arms: Arm) -> Verdict:
    return Verdict(arms, 1.0, pairs=pairs_of(arms))


def test_three_phrases() -> None:
    two = arm("plain", 100, 10), arm("question", 100, 26)
    assert Verdict(two, why="judged tomorrow").phrase == TOO_EARLY
    assert verdict(*two).phrase == "question was answered more often"
    assert verdict(*reversed(two)).phrase == "question was answered more often"
    assert verdict(two[0], arm("question", 100, 14)).phrase == NO_DIFFERENCE
    assert verdict(arm("a", 30, 0), arm("b", 30, 0)).phrase == NO_DIFFERENCE


def test_more_than_two_are_corrected() -> None:
    """What two alone would show does not show among three, by Bonferroni as statsmodels has it."""
    two = arm("plain", 100, 10), arm("question", 100, 22)
    assert verdict(*two).phrase == "question was answered more often"
    assert verdict(*two, arm("short", 100, 16)).phrase == NO_DIFFERENCE
    three = verdict(arm("plain", 100, 8), arm("question", 100, 30), arm("short", 100, 28))
    assert three.phrase == (
        "question was answered more often than plain; short was answered more often than plain"
    )
    _, _, _, alpha = statsmodels("multitest").multipletests(
        [0.01] * 3, alpha=LEVEL, method="bonferroni"
    )
    assert level_of(3) == pytest.approx(alpha)
    assert level_of(2) == LEVEL


def test_the_public_form_of_a_verdict() -> None:
    found = verdict(arm("plain", 100, 10), arm("question", 100, 26)).as_json()
    assert found["verdict"] == "question was answered more often"
    assert [each["variant"] for each in found["variants"]] == ["plain", "question"]
    assert found["variants"][1]["reply_rate"]["share"] == 0.26
    [pair] = found["differences"]
    assert (pair["value"], pair["shows"]) == (0.16, True)
    assert found["not_compared"] == 0
