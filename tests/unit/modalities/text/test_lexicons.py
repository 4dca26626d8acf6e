"""Lexicons: made once of what a dictionary or a model said, kept as files, and drawn from by key."""

from __future__ import annotations

import gzip
import json
import pickle
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from http.server import HTTPServer
from pathlib import Path

import numpy as np
import pytest

from augment_ops.content import sha256_hex
from augment_ops.errors import DataError, InputError, PolicyError, ServiceError
from augment_ops.modalities import asked_of, text_lexicons
from augment_ops.modalities.lexicons import ParaphraseRequest
from augment_ops.modalities.text.augmented_checks import _protected
from augment_ops.modalities.text.augmenter import TextAugmenter
from augment_ops.modalities.text.consistency import ParaphraseFilter
from augment_ops.modalities.text.lexicon_file import lexicon_path
from augment_ops.modalities.text.lexicon_file import written as lexicon
from augment_ops.modalities.text.texts import read, written
from augment_ops.modalities.text.wordnet import synonyms
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.limits import limit_faults
from augment_ops.policy.spec import Policy
from augment_ops.progress import unheard
from support.model_service import rewritten, service
from support.places import POLICIES
from support.questions import questions

ROOM = 120
ZEROS = "0" * 64
HEAD = (
    "name: questions\nversion: 1.0.0\nmodality: text\ndomain: text\nowner: tests\ndescription: d\n"
    f"budget: {{p95_ms: 1.0, at: [{ROOM}]}}\ntransforms:\n"
)


def policy(*steps: str) -> Policy:
    return Policy.from_text(HEAD + "".join(f"  - {step}\n" for step in steps))


def augmented(texts: list[str], *steps: str, epoch: int = 0) -> list[str]:
    augment = TextAugmenter(policy(*steps), 7)
    return read(augment(written(texts, ROOM), [f"q{n}" for n in range(len(texts))], epoch))


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(folder))
    return folder


def kept(policies: Path, name: str, kind, entries: Mapping[str, list[str]]) -> str:
    path = lexicon_path(policies, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(lexicon(kind, entries, {}))
    return f"{{lexicon: {name}, sha256: '{sha256_hex(path.read_bytes())}', p: 1.0"


def test_slots_get_values_by_key_and_those_without_stay() -> None:
    step = 'TemplateAug: {slots: {amount: ["5 euros", "£20", "1,000 yen"], city: [Oslo, "New York"]}, p: 1.0}'
    texts = ["Send {amount} to {city}, and {amount}/{city} more, {name}?"] * 40
    found = augmented(texts, step)
    assert found == augmented(texts, step) != augmented(texts, step, epoch=1)
    assert len(set(found)) > 20
    for text in found:
        assert "{name}?" in text and "{amount}" not in text and "{city}" not in text
    starts = Counter(text.split(" to ")[0] for text in found)
    assert set(starts) == {"Send 5 euros", "Send £20", "Send 1,000 yen"} and min(starts.values()) > 5
    twice = [text.split("and ")[1].split(" more")[0] for text in found]  # two slots in one word are two draws
    assert len(set(twice)) == 6


def test_a_filled_slot_is_no_protected_word_that_went() -> None:
    assert _protected("send {amount} to Maria") == Counter(["Maria"])


def test_synonyms_stand_for_free_words_alone(policies: Path) -> None:
    entries = {"card": ["plastic"], "seven": ["7"], "money": ["cash"], "maria": ["mary"], "cards": ["plastics"]}
    step = f"SynonymAug: {kept(policies, 'few', 'synonyms', entries)}, aug_p: 1.0}}"
    (found,) = augmented(["Card? Did Maria send seven cards, or money, to my card?"], step)
    # `Card` may be a name, and `cards` is what there are seven of.
    assert found == "Card? Did Maria send seven cards, or cash, to my plastic?"
    never = step.replace("aug_p: 1.0", "aug_p: 0.0")
    assert augmented(["my money"], never) == ["my money"]


def test_a_paraphrase_stands_for_a_whole_text_and_later_steps_go_on_from_it(policies: Path) -> None:
    text = "How do I block my card?"
    entries = {text: ["Please stop my card", "What must I do so that nobody uses my card"], "Hello": ["Hi there"]}
    step = f"Paraphrase: {kept(policies, 'said', 'paraphrases', entries)}}}"
    found = augmented([f" {text} "] * 30 + ["Hello there"], step)
    assert set(found[:30]) == set(entries[text])
    assert found[30] == "Hello there"
    shouted = augmented([text] * 30, step, "Casing: {style: upper, aug_p: 1.0, p: 1.0}")
    assert {one.lower() for one in shouted} == {one.lower() for one in entries[text]}
    assert any(one.endswith("USES MY CARD") for one in shouted)  # words that the original did not have
    steps = policy(step, "RandomWordAug: {action: swap, aug_p: 0.5, p: 0.8}")
    texts, ids = written([text] * 20, ROOM), [f"q{n}" for n in range(20)]
    whole = TextAugmenter(steps, 7)(texts, ids, 1)
    alone = [TextAugmenter(steps, 7)(texts[n : n + 1], ids[n : n + 1], 1)[0] for n in (3, 11)]
    assert np.array_equal(alone, whole[[3, 11]])


def test_an_augmenter_with_a_lexicon_travels_to_other_processes(policies: Path) -> None:
    step = f"SynonymAug: {kept(policies, 'few', 'synonyms', {'card': ['plastic', 'bank card']})}, aug_p: 1.0}}"
    augment = TextAugmenter(policy(step), 7)
    texts, ids = written(["my card is gone"] * 20, ROOM), [str(n) for n in range(20)]
    assert np.array_equal(pickle.loads(pickle.dumps(augment))(texts, ids, 2), augment(texts, ids, 2))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "no such lexicon"),
        (b"other", "with the sha256"),
        (lexicon("paraphrases", {"a": ["b"]}, {}), "a lexicon of synonyms"),
        (lexicon("synonyms", {"a": []}, {}), "an entry that is no texts"),
        (b'{"format":2,"kind":"synonyms"}\n', "format 2"),
        (b"\x80\x04pickle", "a lexicon of synonyms"),
    ],
)
def test_a_lexicon_that_is_not_the_one_meant_is_refused(policies: Path, data: bytes | None, said: str) -> None:
    lexicon_path(policies, "few").parent.mkdir()
    digest = ZEROS
    if data is not None:
        lexicon_path(policies, "few").write_bytes(data)
        digest = sha256_hex(data) if data != b"other" else digest
    with pytest.raises(PolicyError, match=said):
        TextAugmenter(policy(f"SynonymAug: {{lexicon: few, sha256: '{digest}'}}"), 7)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (f"SynonymAug: {{lexicon: ../secret, sha256: '{ZEROS}'}}", "lexicon"),
        ("SynonymAug: {lexicon: few, sha256: latest}", "sha256"),
        ("Paraphrase: {lexicon: few}", "found nothing"),
        ("TemplateAug: {slots: {}}", "at least 1 item"),
        ("TemplateAug: {slots: {amount: []}}", "at least 1 item"),
        ('TemplateAug: {slots: {"a b": [c]}}', "slots"),
    ],
)
def test_a_step_that_is_wrong_is_told(step: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        policy(step)


def test_the_domain_bounds_how_many_words_give_way() -> None:
    step = f"SynonymAug: {{lexicon: few, sha256: '{ZEROS}', aug_p: 0.4}}"
    (fault,) = limit_faults(policy(step), load_limits(POLICIES, "text"))
    assert "max_synonym_share" in str(fault)


LMF = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE LexicalResource SYSTEM "http://globalwordnet.github.io/schemas/WN-LMF-1.3.dtd">
<LexicalResource xmlns:dc="https://globalwordnet.github.io/schemas/dc/">
 <Lexicon id="t" label="t" language="en" email="a@b.c" license="x" version="1">
  <LexicalEntry id="e1"><Lemma writtenForm="purchase" partOfSpeech="v"/><Sense id="s1" synset="buy"/></LexicalEntry>
  <LexicalEntry id="e2"><Lemma writtenForm="acquire" partOfSpeech="v"/><Sense id="s2" synset="get"/>
   <Sense id="s3" synset="buy"/></LexicalEntry>
  <LexicalEntry id="e3"><Lemma writtenForm="take over" partOfSpeech="v"/><Sense id="s4" synset="buy"/></LexicalEntry>
  <LexicalEntry id="e4"><Lemma writtenForm="Paris" partOfSpeech="n"/><Sense id="s5" synset="buy"/></LexicalEntry>
  <LexicalEntry id="e5"><Lemma writtenForm="have" partOfSpeech="v"/><Sense id="s6" synset="buy"/></LexicalEntry>
  <LexicalEntry id="e6"><Lemma writtenForm="gain" partOfSpeech="v"/><Sense id="s7" synset="get"/></LexicalEntry>
  <Synset id="buy" ili="i1" partOfSpeech="v"><Definition>to buy</Definition></Synset>
 </Lexicon>
</LexicalResource>
"""
# What both forms come to: the first meaning of each word, without names, and not of words of grammar.
EXPECTED = {
    "purchase": ("acquire", "take over", "have"),
    "acquire": ("gain",),
    "gain": ("acquire",),
}


def test_synonyms_are_read_of_a_wordnet_in_lmf(tmp_path: Path) -> None:
    plain, packed = tmp_path / "w.xml", tmp_path / "w.xml.gz"
    plain.write_text(LMF)
    packed.write_bytes(gzip.compress(LMF.encode()))
    assert synonyms(plain) == synonyms(packed) == EXPECTED


def test_synonyms_are_read_of_princetons_files(tmp_path: Path) -> None:
    licence = "  1 This software and database is being provided to you\n"
    for part in ("noun", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text(licence)
        (tmp_path / f"index.{part}").write_text(licence)
    data = (
        "00000100 40 v 05 purchase 0 acquire 1 take_over 0 Paris 0 have 0 000 | to buy\n"
        "00000200 40 v 02 acquire 0 gain 0 001 @ 00000100 v 0000 | to get\n"
    )
    index = (
        "acquire v 2 1 @ 2 1 00000200 00000100\ngain v 1 0 1 0 00000200\nhave v 1 0 1 0 00000100\n"
        "purchase v 1 0 1 0 00000100\ntake_over v 1 0 1 0 00000100\n"
    )
    (tmp_path / "data.verb").write_text(licence + data)
    (tmp_path / "index.verb").write_text(licence + index)
    assert synonyms(tmp_path) == EXPECTED


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "nothing is fetched here"),
        ("<LexicalResource/>", "no LexicalEntry"),
        ("no xml", "syntax error"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a/>', "an entity of its own"),
    ],
)
def test_what_is_no_wordnet_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "w.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=said):
        synonyms(path)
    with pytest.raises(InputError, match="nothing is fetched here"):
        synonyms(tmp_path / "none")


def test_a_lexicon_of_synonyms_is_the_same_each_time_and_says_its_step(tmp_path: Path, policies: Path) -> None:
    (tmp_path / "w.xml").write_text(LMF)
    target = text_lexicons().path(policies, "english")
    first = text_lexicons().synonyms(tmp_path / "w.xml", target)
    assert text_lexicons().synonyms(tmp_path / "w.xml", target) == first
    assert (first.entries, first.sha256) == (3, sha256_hex(target.read_bytes()))
    assert augmented(["please purchase it"], f"{first.step[2:]}".replace("p: 0.5", "p: 1.0, aug_p: 1.0")) != [
        "please purchase it"
    ]
    with pytest.raises(InputError, match="kebab-case"):
        text_lexicons().path(policies, "../out")


LABELS = dict(questions(200)[["question", "intent"]].itertuples(index=False)) | {
    "Can Maria send 20 euros from her card to me?": "refund",
    "I am not able to activate my card": "activate",
}
JUDGE = ParaphraseFilter(LABELS, ["please block a stolen card at once"], 200)


@pytest.mark.parametrize(
    ("text", "paraphrase", "why"),
    [
        ("report a lost card", "I want to report a lost card please", ""),
        ("report a lost card", "Report a lost card!", "the same"),
        ("report a lost card", "  ", "empty"),
        ("report a lost card", "report a lost card " * 20, "empty"),
        ("Can Maria send 20 euros from her card to me?", "Could Maria send me 30 euros?", "protected words"),
        ("Can Maria send 20 euros from her card to me?", "Could she send me 20 euros?", "protected words"),
        ("I am not able to activate my card", "I am able to activate my card", "protected words"),
        ("report a lost card", "report a lost card in London", "protected words"),
        ("report a lost card", "please block a stolen card at once.", "a held-out text"),
        ("report a lost card", "see the exchange rate", "another class"),
        ("report a lost card", next(text for text, name in LABELS.items() if name == "rate"), "another class's text"),
    ],
)
def test_what_may_say_something_else_is_dropped(text: str, paraphrase: str, why: str) -> None:
    dropped = Counter[str]()
    label = LABELS.get(text, "lost")
    found = JUDGE.kept(text, label, [paraphrase], dropped)
    assert dict(dropped) == ({why: 1} if why else {})
    assert found == ([] if why else [paraphrase])


def asked(server: HTTPServer, tmp_path: Path, **more: object) -> ParaphraseRequest:
    table = questions(60).assign(split=["train"] * 40 + ["test"] * 20)
    table.to_csv(tmp_path / "in.csv", index=False)
    columns = "text=question,label=intent,split=split"
    request = ParaphraseRequest(
        input=str(tmp_path / "in.csv"),
        asked=asked_of("text", {"text_columns": columns}),
        endpoint=f"http://127.0.0.1:{server.server_port}/v1/",
        model="stand-in",
        copies=2,
        via="",
        language="English",
        key="secret-key",
        answers=tmp_path / "answers",
    )
    return replace(request, **more)  # type: ignore[arg-type]


def test_paraphrases_are_asked_for_once_looked_through_and_drawn_by_key(tmp_path: Path, policies: Path) -> None:
    target = text_lexicons().path(policies, "said")
    with service(rewritten) as server:
        made = text_lexicons().paraphrases(asked(server, tmp_path), target, unheard)
        train = questions(60)["question"].tolist()[:40]
        sent = [body["messages"][1]["content"] for _, _, body in server.asked]  # type: ignore[attr-defined]
        assert sent == train  # nothing of test leaves the machine, and nothing is asked twice
        path, key, body = server.asked[0]  # type: ignore[attr-defined]
        assert (path, key, body["model"], body["temperature"]) == (
            "/v1/chat/completions", "Bearer secret-key", "stand-in", 0,
        )  # fmt: skip
        assert "2 different ways" in body["messages"][0]["content"]
        again = text_lexicons().paraphrases(asked(server, tmp_path), target, unheard)
        assert again == made and len(server.asked) == 40  # type: ignore[attr-defined]  # answers are kept
    assert made.entries == 40 and made.dropped == {"protected words": 40}
    files = [target, *tmp_path.glob("answers/*")]
    assert all(b"secret-key" not in path.read_bytes() for path in files)
    # The service is gone by now: a policy draws from the file.
    step = made.step[2:].replace("p: 0.5", "p: 1.0")
    assert augmented(train[:5], step) == [f"Well, {text}" for text in train[:5]]


def test_a_text_is_translated_there_and_back(tmp_path: Path, policies: Path) -> None:
    def translated(system: str, text: str) -> tuple[int, str]:
        return 200, f"<{text}>" if "German" in system else f"Well, {text[1:-1]}\nand more"

    with service(translated) as server:
        target = text_lexicons().path(policies, "back")
        made = text_lexicons().paraphrases(asked(server, tmp_path, via="German"), target, unheard)
        assert len(server.asked) == 80  # type: ignore[attr-defined]
    assert made.entries == 40
    assert json.loads(target.read_text().splitlines()[0])["about"]["via"] == "German"


def test_a_paraphrase_that_says_what_is_of_no_intent_is_dropped(tmp_path: Path, policies: Path) -> None:
    def always(system: str, text: str) -> tuple[int, str]:
        return 200, f"Is that right?\nWell, {text}"

    with service(always) as server:
        request = asked(server, tmp_path)
        with (tmp_path / "in.csv").open("a") as file:
            file.write("is that RIGHT,,,out-of-scope\n")  # without a label, as such texts have none
        made = text_lexicons().paraphrases(request, text_lexicons().path(policies, "said"), unheard)
    assert made.dropped == {"a held-out text": 40}


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (lambda system, text: (401, "no"), ServiceError, "status 401"),
        (lambda system, text: (200, b"<html>"), ServiceError, "OpenAI-compatible"),
        (lambda system, text: (200, b'{"choices": [{"message": {"content": null}}]}'), ServiceError, "NoneType"),
        (lambda system, text: (200, text), DataError, "nothing that could be kept"),
    ],
)
def test_a_service_that_does_not_help_leaves_no_lexicon(
    tmp_path: Path, policies: Path, answer, error: type[Exception], said: str
) -> None:
    target = text_lexicons().path(policies, "said")
    with service(answer) as server, pytest.raises(error, match=said):
        text_lexicons().paraphrases(asked(server, tmp_path), target, unheard)
    assert not target.exists()
    with pytest.raises(ServiceError, match="ConnectError"):  # the server is gone
        text_lexicons().paraphrases(asked(server, tmp_path, answers=tmp_path / "none"), target, unheard)


def test_one_class_cannot_be_held_apart(tmp_path: Path, policies: Path) -> None:
    with service(rewritten) as server:
        request = asked(server, tmp_path)
        questions(60).assign(intent="one", split="train").to_csv(tmp_path / "in.csv", index=False)
        with pytest.raises(DataError, match="one class"):
            text_lexicons().paraphrases(request, policies / "x.jsonl", unheard)
        assert server.asked == []  # type: ignore[attr-defined]
