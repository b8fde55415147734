"""Opt-outs: what is one, what a person has to read, and what is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.replies import courtesies, phrases
from runner.replies.opt_out import Wish, normalized, read

ALL = sorted({each for some in phrases.OPT_OUT.values() for each in some})
COURTESIES = sorted({each for some in courtesies.COURTESIES.values() for each in some})

SAID = {
    "English": ["STOP", "Stop.", "stop!!", "Please stop", "Hi, please stop. Thanks!",
                "Unsubscribe",
                "OPT-OUT", "opt out please", "Remove me",
                "Hello, remove me from your list, thank you",
                "Don\u2019t message me again", "dont contact me", "s\u200btop",
                "\uff33\uff34\uff2f\uff30", "don\u00b4t contact me", "Stop. Stop!",
                "stop stop STOP",
                "No thanks, stop", "OK stop", "Stop, please. Unsubscribe.", "S.T.O.P.", "s t o p",
                "Stop \U0001f64f thanks", "\U0001f6d1 STOP \U0001f6d1", "STOP \u0130T",
                "just stop", "Un-subscribe"],
    "German": ["Stopp", "STOPP!", "Bitte abmelden", "Guten Tag, bitte abmelden. Danke", "Abmeldung",
               "Hör auf", "Bitte schreiben Sie mir nicht mehr", "hoer auf", "AUFHOEREN",
               "Loeschen Sie mich", "Nein danke, bitte abmelden", "HO\u0308R AUF",
               "Stop bitte", "Bitte nicht mehr schreiben"],
    "French": ["Désabonner", "desabonner svp", "Arrêter", "ARRETER", "Merci d\u2019arrêter",
               "Bonjour, merci de ne plus me contacter", "s'il vous plaît arrêtez",
               "Je souhaite me désabonner",
               "N\u2019écrivez plus", "Arrêtez de m\u2019envoyer des messages", "S.V.P. désabonner",
               "Non merci, stop"],
    "Spanish": ["Baja", "BAJA por favor", "parar", "Hola, denme de baja, gracias",
                "No me escriban más", "Dar de baja", "Anular suscripción",
                "No gracias, no me escribas mas"],
    "Portuguese": ["Sair", "SAIR", "Olá, por favor, pare de me escrever",
                   "Não me contate mais. Obrigado", "cancelar subscrição",
                   "NAO ME ESCREVA MAIS", "Não, obrigado. Sair"],
    "Italian": ["Cancellami", "Basta!", "Buongiorno, per favore non mi contatti più. Grazie",
                "Non scrivermi piu", "No grazie, basta", "basta cosi'"],
    "Dutch": ["Afmelden", "Uitschrijven aub", "Hoi, stoppen",
              "Stuur me geen berichten meer, dank u", "schrijf me uit a.u.b.",
              "Stop met berichten sturen", "Nee bedankt, afmelden"],
}  # fmt: skip

TO_READ = [
    "We have got to stop this bill",
    "please stop by our booth",
    "Not interested",
    "not interested, thanks",
    "Hi Sam, stop",
    "Stop? Why would I",
    "non-stop",
    "How do I unsubscribe from the other list?",
    "Ich kann mich nicht abmelden",
    "Kein Interesse",
    "Vou sair agora",
    "la temporada baja",
    "basta un minuto",
    "Pas intéressé",
    "cancel",
    "Stop! I love it",
    "basta così?",
    "Stop?",
    "¿Baja?",
    "sair?",
    "Parar; why",
    "Cancelar",
    "Don't stop!",
    "no stop by",
]

NEITHER = [
    "",
    "   ",
    "\U0001f44d",
    "Sure, tell me more",
    "no",
    "No thanks",
    "Thanks!",
    "unstoppable",
    "Stoppuhr",
    "parare",
    "Thanks, bye",
    "Je suis intéressée",
    "no thanks more messages please",
    "no thanks, ok",
    "OK thanks",
    "N.Y.C.",
]


@pytest.mark.parametrize("language", SAID)
def test_a_whole_message_that_is_a_phrase_is_an_opt_out(language: str) -> None:
    for text in SAID[language]:
        assert read(text).wish is Wish.OPT_OUT, text
        assert read(text).words == text.strip()


def test_every_language_of_the_lists_is_tested() -> None:
    assert set(SAID) == set(phrases.OPT_OUT) == set(phrases.UNSURE) == set(courtesies.COURTESIES)


@pytest.mark.parametrize("text", TO_READ)
def test_a_phrase_inside_of_more_is_for_a_person(text: str) -> None:
    reading = read(text)
    assert reading.wish is Wish.UNSURE
    assert len(reading.words.split()) <= 5  # the phrase alone, never what they wrote


@pytest.mark.parametrize("text", NEITHER)
def test_anything_else_is_no_wish(text: str) -> None:
    reading = read(text)
    assert (reading.wish, reading.words) == (Wish.NONE, "")


def test_a_campaign_adds_its_own_phrases() -> None:
    assert read("Ende Gelände").wish is Wish.NONE
    assert read("ende gelände!", ["Ende Gelände", "..."]).wish is Wish.OPT_OUT
    assert read("bald ist ende gelände", ["Ende Gelände"]).wish is Wish.UNSURE


def test_no_courtesy_alone_is_an_opt_out() -> None:
    for courtesy in COURTESIES:
        assert read(courtesy).wish is Wish.NONE, courtesy


def test_a_question_is_for_a_person() -> None:
    for phrase in ALL:
        assert read(f"{phrase}?").wish is Wish.UNSURE, phrase


marks = st.text(alphabet=" .,!;:-_\n\t\u200b\U0001f64f\u2026", max_size=4)
flips = st.lists(st.booleans(), min_size=1, max_size=40)


@given(st.sampled_from(ALL), st.lists(st.sampled_from(COURTESIES), max_size=3), marks, flips)
def test_case_marks_and_courtesies_change_nothing(
    phrase: str, around: list[str], mark: str, upper: list[bool]
) -> None:
    said = "".join(
        sign.upper() if upper[at % len(upper)] else sign for at, sign in enumerate(phrase)
    )
    half = len(around) // 2
    text = f" {mark} ".join([*around[:half], said, *around[half:]]) + mark
    assert read(text).wish is Wish.OPT_OUT


words = st.text(alphabet="qxzwvk", min_size=2, max_size=6)


@given(st.sampled_from(ALL), words, st.booleans())
def test_any_word_beside_a_phrase_makes_it_a_matter_for_a_person(
    phrase: str, word: str, first: bool
) -> None:
    text = f"{word} {phrase}" if first else f"{phrase} {word}"
    assert read(text).wish is Wish.UNSURE


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)
    reading = read(text)
    assert (reading.wish is Wish.NONE) == (reading.words == "")
