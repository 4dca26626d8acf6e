from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_ops.modalities.text.texts import read, said, written
from augment_ops.modalities.text.words import sentence


def free_words(text: str) -> list[str]:
    found = sentence(text)
    return [found.cores[place] for place in found.free]


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("Where is my card?", ["Where", "is", "my", "card"]),
        ("send it to anna.o'neil@bank.example now", ["send", "it", "to", "now"]),
        ("see https://bank.example/help or bank.example", ["see", "or"]),
        ("I paid $1,200.50 twice", ["I", "paid"]),
        ("it cost 12 pounds more", ["it", "cost", "more"]),  # the word after a number is its unit
        ("two weeks ago it was fine", ["ago", "it", "was", "fine"]),
        ("my IBAN is GB33BUKB and ref_7", ["my", "is", "and"]),
        ("did Maria not get the ATM card", ["did", "get", "the", "card"]),
        ("it isn't there, I can’t see it", ["it", "there", "I", "see", "it"]),
        ("Maria asks. Where is it", ["asks", "Where", "is", "it"]),  # may be a name, and is no usual opening
        ("hello {name} and <b> @you #tag", ["hello", "and"]),
        ("top-up my card", ["my", "card"]),
        ("أين بطاقتي 5 رجاء", ["أين", "بطاقتي"]),
        ("where 💳 is", ["where", "is"]),
        ("  ", []),
    ],
)
def test_what_may_be_changed(text: str, free: list[str]) -> None:
    assert free_words(text) == free


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80))
def test_any_text_is_taken_apart_and_put_together(text: str) -> None:
    assert sentence(text).text == text.strip()
    room = max(1, len(text.encode()))
    assert read(written([text], room)) == [text]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Where's my card?", "where s  MY card", True),
        ("ＷＨＥＲＥ", "where", True),
        ("💳", "💸", False),
        ("?", "!", False),
        ("refund 20", "refund 200", False),
    ],
)
def test_texts_that_say_the_same(one: str, other: str, same: bool) -> None:
    assert (said(one) == said(other)) is same
