"""`augment-ops lexicon …`, as a shell calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import Call
from support.model_service import rewritten, service
from support.questions import questions

LMF = """<LexicalResource><Lexicon>
<LexicalEntry id="a"><Lemma writtenForm="money" partOfSpeech="n"/><Sense id="b" synset="c"/></LexicalEntry>
<LexicalEntry id="d"><Lemma writtenForm="cash" partOfSpeech="n"/><Sense id="e" synset="c"/></LexicalEntry>
</Lexicon></LexicalResource>"""
POLICY = """
name: with-synonyms
version: 1.0.0
modality: text
domain: text
owner: tests
description: d
budget: {p95_ms: 10000.0, at: [64]}
transforms:
  STEP
"""


def test_a_policy_draws_from_a_lexicon_that_was_made_here(call: Call, library: Path, tmp_path: Path) -> None:
    (tmp_path / "w.xml").write_text(LMF)
    words = ("lexicon", "synonyms", "--wordnet", str(tmp_path / "w.xml"), "--output", "english")
    code, out, _ = call(*words, "--json")
    made = json.loads(out)
    assert (code, made["entries"], made["path"]) == (0, 2, str(library / "lexicons" / "english.jsonl"))
    code, _, err = call(*words)
    assert (code, "--force replaces it" in err) == (2, True)
    code, out, _ = call(*words, "--force")
    assert code == 0 and made["sha256"] in out
    policy = library / "augment" / "with-synonyms.yaml"
    policy.write_text(POLICY.replace("STEP", made["step"].replace("p: 0.5", "p: 0.5, aug_p: 0.3")))
    assert call("policy", "validate", "with-synonyms")[0] == 0
    policy.write_text(policy.read_text().replace(made["sha256"], "0" * 64))
    code, _, err = call("policy", "validate", "with-synonyms")
    assert (code, f"a lexicon with the sha256 {made['sha256']}" in err) == (2, True)


@pytest.mark.usefixtures("library")
def test_a_service_is_asked_and_its_key_goes_nowhere_else(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    questions(30).to_csv(tmp_path / "in.csv", index=False)
    with service(rewritten) as server:
        words = ("--input", str(tmp_path / "in.csv"), "--text-columns", "text=question,label=intent", "--model", "m")
        endpoint = f"http://127.0.0.1:{server.server_port}/v1"
        code, out, err = call("lexicon", "paraphrases", *words, "--endpoint", endpoint, "--output", "said")
        assert server.asked[0][1] == "Bearer secret-key"  # type: ignore[attr-defined]
    assert (code, "secret-key" in out + err) == (0, False)
    assert "Paraphrase: {lexicon: said" in out and "protected words" in out
