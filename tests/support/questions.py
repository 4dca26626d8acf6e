"""Small tables of questions for tests: four intents, asked in many ways."""

from __future__ import annotations

import numpy as np
import pandas as pd

_OPENING = (
    "How do I",
    "Please help me",
    "I want to",
    "Can you",
    "I need to",
    "What must I do to",
    "Tell me how to",
    "Hi,",
)
_CLOSING = (
    "", " today", " on my phone", " from abroad", " before Monday", " with 20 euros", " in the app", " again",
    " at home", " by mail", " quickly", " for my wife", " without a fee", " next week", " online", " as a student",
)  # fmt: skip
_ASKED = {
    "activate": ("activate my new card", "switch my card on", "start using the card that came", "get the card active"),
    "lost": ("report a lost card", "block a stolen card", "say that my wallet is missing", "freeze a card I lost"),
    "refund": ("get my money back", "ask for a refund", "return what I bought", "cancel a purchase I paid"),
    "rate": ("see the exchange rate", "change pounds into dollars", "know what a currency costs", "convert my balance"),
}
INTENTS = tuple(_ASKED)


def strangers() -> list[str]:
    """48 questions of no intent."""
    asked = (
        "Who won the match",
        "What is the capital of Peru",
        "How tall is that mountain",
        "When does the train leave",
    )
    return [
        f"{opening} {asking.lower()}{closing}?"
        for opening in ("Hi,", "Tell me,", "Do you know")
        for asking in asked
        for closing in _CLOSING[:4]
    ]


def questions(n: int = 800, seed: int = 0) -> pd.DataFrame:
    """`question`, `intent` and `country` of n different questions, as many of each intent."""
    draw = np.random.default_rng(seed)
    rows = [
        (f"{opening} {said}{closing}?", intent)
        for intent, ways in _ASKED.items()
        for opening in _OPENING
        for said in ways
        for closing in _CLOSING
    ]
    chosen = [rows[place] for place in draw.permutation(len(rows))[:n]]
    table = pd.DataFrame(chosen, columns=["question", "intent"])
    return table.assign(country=draw.choice(["LT", "PT"], len(table)))
