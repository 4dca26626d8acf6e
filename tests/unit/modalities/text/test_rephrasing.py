"""Other words for the same: grammar, what is asked, and that nothing of it is in what trains."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from augment_ops.modalities.text.augmented_checks import _protected
from augment_ops.modalities.text.catalogue import CATALOGUE, change_of
from augment_ops.modalities.text.corruptions import apply
from augment_ops.modalities.text.frames import FRAMES, OPENINGS, WORDS
from augment_ops.modalities.text.rephrasing import GREETINGS, THANKS, rephrased
from augment_ops.modalities.text.texts import read, said, written
from augment_ops.modalities.text.transforms import change_all
from augment_ops.modalities.text.words import sentence
from augment_ops.policy.spec import Policy
from augment_ops.stress.seen import seen_by
from support.places import POLICIES
from support.questions import questions

ASKING = ("one question", "i have a question")
CONTACTING = ("contacting you", "writing to you", "getting in touch")
TEXTS = questions(300)["question"].tolist()


def other_words(text: str, *, polite: bool = False) -> set[str]:
    """All that may become of a text, each rewriting done; in half of them all kinds of greetings and thanks."""
    found = set()
    choices = np.arange(0.05, 1, 0.1)
    for choice, greeting in itertools.product(choices, choices if polite else [0.99]):
        one = sentence(text)
        rephrased(one, [greeting, greeting, *([0.0, choice] * len(one))], share=1.0)
        found.add(one.text)
    return found


@pytest.mark.parametrize(
    ("text", "others"),
    [
        (
            "How do I activate my card?",
            {
                "What do I have to do to activate my card?",
                "What is the way to activate my card?",
                "Which steps do I take to activate my card?",
                "Could you show me how to activate my card?",
            },
        ),
        ("can i have two cards", {"is it possible for me to have two cards", "would i be able to have two cards"}),
        ("Is it possible to get a refund?", {"Can I get a refund?", "Am I able to get a refund?"}),
        # A pronoun's end is known, so that the order of verb and subject may turn; that of another subject is not.
        ("Why was I charged?", {"For what reason was I charged?", "Could you explain why I was charged?"}),
        ("Why can't I pay?", {"For what reason can't I pay?", "Could you explain why I can't pay?"}),
        ("Why is my card blocked?", {"For what reason is my card blocked?", "For which reason is my card blocked?"}),
        # What only `did` says of the time stays.
        ("why did I pay twice", {"for what reason did I pay twice", "for which reason did I pay twice"}),
        ("will it arrive?", {"could you tell me whether it will arrive?", "i would like to know if it will arrive?"}),
        ("Are they not free?", {"One question: are they not free?", "I have a question: are they not free?"}),
        ("What is the fee?", {"Could you tell me the fee?", "I would like to know the fee?"}),
        # "the app" does something there and is no answer.
        ("What is the app charging me for?", {"What is the app charging me for?"}),
        ("how can i please get it", {"in what way can i please get it"}),
        (
            "My card is blocked. What do I do?",
            {
                "I am contacting you because my card is blocked. What would you advise me to do?",
                "I am writing to you because my card is blocked. What would you advise me to do?",
                "I am writing to you because my card is blocked. Which steps do I take?",
                "I am getting in touch because my card is blocked. Which steps do I take?",
            },
        ),
        # What the card is due for is no cause, and a card that is to be sent is not what is needed.
        ("If the card is due to expire", {"If the card is due to expire"}),
        ("i need my card to work", {f"i am {how} because i need my card to work" for how in CONTACTING}),
        # A heading has no verb: nothing is reported.
        ("my exchange rate", {"my exchange rate"}),
        ("Hi, when someone paid because of it", {"Good day, when somebody paid because of it"}),
        # In the middle of a sentence "I" is no capital that the words for it would need.
        ("If so, I need to pay", {"If so, it is necessary for me to pay", "If so, I have to pay"}),
        # A word in capitals may be a name, and a comma says that words do not belong together.
        ("HOW CAN I PAY", {"HOW CAN I PAY"}),
        ("Where is, my card", {"Where is, my card"}),
        ("Wann kommt meine Karte?", {"Wann kommt meine Karte?"}),
        # A name is no word of English, and one sentence says nothing of the next, whatever mark parts them.
        ("Was kostet The App?", {"Was kostet The App?"}),
        ("was ist los? does it work", {f"was ist los? {ask}: does it work" for ask in ASKING}),
        ("was ist los。 does it work", {f"was ist los。 {ask}: does it work" for ask in ASKING}),
        ("أين بطاقتي 5 رجاء", {"أين بطاقتي 5 رجاء"}),
        ("💳", {"💳"}),
    ],
)
def test_a_beginning_gives_way_to_others_that_say_the_same(text: str, others: set[str]) -> None:
    assert other_words(text) == others


def test_a_greeting_and_thanks_stand_where_they_belong_and_not_twice() -> None:
    found = other_words("Can I pay?", polite=True)
    assert {"Hello, is it possible for me to pay? Thank you in advance.", "Is it possible for me to pay?"} <= found
    assert "good day, would i be able to pay, many thanks" in other_words("can i pay", polite=True)
    assert other_words("Wann kommt meine Karte?", polite=True) == {"Wann kommt meine Karte?"}
    thanked = other_words("Hey, can I pay? Thanks", polite=True)
    assert thanked and all(one.startswith("Good day, ") and one.lower().count("thank") == 1 for one in thanked)


OF_OTHER_LANGUAGES = """
Was muss ich tun? · Was kostet eine Überweisung? · Was passiert, wenn ich die PIN vergesse? · Was bedeutet das?
Will ich das Konto kündigen, was dann? · Will jemand mein Geld? · Was an Gebühren fällt an? · Am Montag war was falsch
Kann ich via App zahlen? · Hi, wann kommt meine Karte? · Warum wurde ich belastet? · Bitte asap melden, thanks
Ich will an meine Frau überweisen · was macht die IT · In der App hat was nicht funktioniert · Wo ist mein Geld, please?

Is mijn kaart geblokkeerd? · Is er een limiet? · Is dat via de app of de site? · Was mijn betaling gelukt?
Help me mijn pas te activeren · Have ik een nieuwe pas nodig? · Waarom is mijn pas geweigerd? · Hoe kan ik geld opnemen?
Is we iets vergeten? · An wie betaal ik? · Kan ik hier met een pas of contant betalen? · Hey, wat is er mis?
Was het bedrag juist, want ik zie het niet · Is een pas gratis? · I.p.v. een pas wil ik een app, is dat mogelijk?

Do que preciso para abrir a conta? · A conta do banco está bloqueada? · A fatura do cartão has chegado?
Do meu cartão sumiu dinheiro · Se for a minha conta, o que faço? · Posso pagar via Pix? · Some o saldo do app, por quê?
A taxa do saque é cobrada? · Do valor total, quanto é taxa? · Qual é o limite?
Quem usa o app do banco? · Hello, tudo bem? · Como me cadastro? · A transferência do mês falhou

I soldi non arrivano, do la colpa alla banca · Do i soldi a mio fratello via app
Has pagado con la tarjeta, o me equivoco? · On me demande un code, or je ne l'ai pas · A some d'argent
"""


def test_a_text_of_another_language_stays_as_it_is_though_it_has_words_that_english_has() -> None:
    texts = [one.strip() for one in OF_OTHER_LANGUAGES.replace("·", "\n").splitlines() if one]
    changed = {text: others for text in texts if (others := other_words(text, polite=True)) != {text}}
    assert len(texts) > 40 and changed == {}


def test_a_frame_looks_forty_words_ahead_and_a_text_costs_by_its_length() -> None:
    near, far = (f"The {'old ' * count}card is blocked" for count in (30, 50))
    assert all(how in str(other_words(near)) for how in CONTACTING) and other_words(far) == {far}

    def seconds(words: int) -> float:
        some = [sentence("i, " * words) for _ in range(5)]
        draws = [0.0] * (2 * words + 2)
        begun = [time.process_time(), *((rephrased(one, draws, share=0.0), time.process_time())[1] for one in some)]
        return min(later - before for before, later in itertools.pairwise(begun))

    assert seconds(1600) < 8 * seconds(400), "4 where the cost is linear and 16 where it is quadratic"


def test_what_is_asked_stays() -> None:
    asked = [
        *TEXTS,
        "Why can't I send £20 to Anna O'Neil before 5 May, and not to anna@bank.example?",
        "Can I not pay? how do i send {amount} to @you",
        "I never paid 12 euros, but I want to know why it wasn't sent back.",
    ]
    ids = [f"q{place}" for place in range(len(asked))]
    for severity in (3, 5):
        after = read(apply("rephrasing", severity, written(asked, 256), ids))
        assert [one for one, other in zip(asked, after, strict=True) if _protected(one) - _protected(other)] == []
    assert np.mean([said(one) != said(other) for one, other in zip(asked, after, strict=True)]) > 0.9


def phrases() -> set[str]:
    """What rephrasing puts into texts, of three words and more: two fall together where words are swapped."""
    templates = [one.split("\\")[0] for frame in (*FRAMES, *OPENINGS, *WORDS) for one in frame.instead]
    return {f" {said(one)} " for one in (*templates, *GREETINGS, *THANKS) if len(one.split()) > 2}


def test_no_transform_puts_the_words_of_rephrasing_into_a_text() -> None:
    held_out, asked = phrases(), [f" {said(one)} " for one in TEXTS]
    assert len(held_out) > 50
    strong = {"aug_p": 1.0, "aug_word_p": 1.0, "punc_ratio": 1.0}
    given = {"ReservedAug": {"reserved_tokens": [["card", "plastic"]]}, "TemplateAug": {"slots": {"a": ["b"]}}}
    keys = np.arange(2 * len(TEXTS), dtype=np.uint64).reshape(-1, 2)
    for name, schema in CATALOGUE.schemas.items():
        if name in ("Paraphrase", "SynonymAug"):
            continue  # they have the words of a file alone
        full = {key: value for key, value in strong.items() if key in schema.model_fields}
        some = [sentence(text) for text in TEXTS]
        change_all(change_of(name, schema.model_validate({**full, **given.get(name, {})}).model_dump()), some, keys, 0)
        after = [f" {said(one.text)} " for one in some]
        put = [
            [one for one in held_out if one in now and one not in was] for was, now in zip(asked, after, strict=True)
        ]
        assert not any(put), name


def test_a_policy_that_has_other_words_of_its_own_trains_on_rephrasing_and_the_shipped_one_has_none() -> None:
    for name in ("Paraphrase", "SynonymAug", "ReservedAug"):
        values = {"p": 0.5, "aug_p": 0.3}
        assert CATALOGUE.teaches(name, values) == ("rephrasing",)
        assert CATALOGUE.teaches(name, {**values, "p": 0.0}) == ()
    assert "rephrasing" not in seen_by(Policy.load(POLICIES / "augment" / "intents-robust.yaml"))
