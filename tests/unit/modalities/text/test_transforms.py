from __future__ import annotations

import pytest

from augment_ops.modalities.text import transforms
from augment_ops.modalities.text.lexicon import NEIGHBOURS
from augment_ops.modalities.text.words import sentence

NEVER, ALWAYS = 0.99, 0.0


def draws(text: str, chosen: dict[int, float], first: float = 0.0) -> list[float]:
    """Two draws of the text, two a word: those of `chosen` are changed, by their draw."""
    flat = [first, 0.0]
    for place in range(len(sentence(text))):
        flat += [ALWAYS, chosen[place]] if place in chosen else [NEVER, 0.0]
    return flat


def after(change, text: str, chosen: dict[int, float], first: float = 0.0, **params) -> str:
    found = sentence(text)
    change(found, draws(text, chosen, first), **params)
    return found.text


@pytest.mark.parametrize(
    ("how", "draw", "expected"),
    [
        (transforms.neighbouring_key, 0.0, "xard"),  # c: x, v, d, f
        (transforms.neighbouring_key, 0.249, "fard"),
        (transforms.swapped_letters, 0.99, "cadr"),
        (transforms.deleted_letter, 0.26, "crd"),
        (transforms.doubled_letter, 0.0, "ccard"),
    ],
)
def test_a_slip_in_the_word_that_is_drawn(how, draw: float, expected: str) -> None:
    text = 'where is my "card"?'
    assert after(transforms.misspelt, text, {3: draw}, share=0.5, min_char=3, how=how) == f'where is my "{expected}"?'
    assert after(transforms.misspelt, text, {2: draw}, share=0.5, min_char=3, how=how) == text  # two letters
    assert how("я", draw) in ("я", "яя")  # other keyboards, and words of one letter


def test_keys_that_touch_do_so_both_ways() -> None:
    assert all(letter in NEIGHBOURS[near] for letter, nears in NEIGHBOURS.items() for near in nears)
    assert set(NEIGHBOURS["g"]) == set("fhtyvb") and set(NEIGHBOURS["q"]) == set("wa")


def test_words_change_places_and_numbers_stay() -> None:
    # The last of the four that are free.
    assert after(transforms.swapped, "send 5 euros there, please now", {0: 0.99}, share=0.5) == (
        "now 5 euros there, please send"
    )


def test_words_are_left_out_but_not_all() -> None:
    everything = dict.fromkeys(range(4), 0.0)
    assert after(transforms.deleted, "where is my card?", {1: 0.0, 3: 0.0}, share=0.5) == "where my"
    assert after(transforms.deleted, "where is my card?", everything, share=0.5) == "where"
    assert after(transforms.deleted, "where is 5 euros?", everything, share=0.5) == "5 euros?"


def test_marks_come_before_free_words_and_as_many_as_are_drawn() -> None:
    text = "I paid 20 euros to the shop there and then left"
    assert after(transforms.marked, text, {1: 0.0}, ratio=0.3) == "I . paid 20 euros to the shop there and then left"
    most = after(transforms.marked, text, {0: 0.0, 1: 0.2, 2: 0.0, 4: 0.99}, first=0.99, ratio=0.3)
    assert most == ". I ; paid 20 euros , to the shop there and then left"  # three of eleven words


def test_contractions_are_made_and_resolved_and_negations_stay() -> None:
    all_of = dict.fromkeys(range(12), 0.0)
    assert after(transforms.contracted, "I am sure you are right", all_of, share=0.5) == "I'm sure you're right"
    assert after(transforms.contracted, "I'm sure they've left", all_of, share=0.5) == "I am sure they have left"
    kept = "it isn't here, is it's not. I, am"
    assert after(transforms.contracted, kept, all_of, share=0.5) == kept


def test_words_give_way_to_those_that_mean_the_same() -> None:
    instead = {"card": ("bank card", "plastic"), "where": ("in what place",)}
    assert after(transforms.replaced, "Where is my card?", {0: 0.0, 3: 0.6}, share=0.5, instead=instead) == (
        "In what place is my plastic?"
    )


def test_case_and_punctuation_of_free_words_alone() -> None:
    all_of = dict.fromkeys(range(6), 0.0)
    assert after(transforms.recased, "Ask Maria for $5, please", all_of, share=0.5, style=str.upper) == (
        "Ask Maria FOR $5, PLEASE"
    )
    assert after(transforms.bare, "please, send $5, (now)!", all_of, share=0.5) == "please send $5, now"
