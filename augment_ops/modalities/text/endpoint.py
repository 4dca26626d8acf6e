"""An OpenAI-compatible service, asked for paraphrases and translations while a lexicon is made, and never else."""

from __future__ import annotations

import re
from typing import Any

import httpx

from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.errors import ServiceError
from augment_ops.files import replace_file
from augment_ops.modalities.lexicons import ParaphraseRequest

_ANSWER_S = 120.0  # of a large model on a processor
_LINE = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*(.*?)\s*$")  # models number and bullet what they list
_QUOTES = "\"“”'"
_PARAPHRASE = (
    "Rewrite the user's text in {copies} different ways that mean exactly the same, in {language}. Keep every number, "
    "amount, name, link and anything in braces exactly as it is. Answer with one rewriting a line and nothing else."
)
_TRANSLATE = (
    "Translate the user's text into {language}. Keep every number, amount, name, link and anything in braces exactly "
    "as it is. Answer with the translation and nothing else."
)


class Endpoint:
    """One model of one service.

    Args:
        request: what is asked, and whom.
    """

    def __init__(self, request: ParaphraseRequest) -> None:
        self._request = request
        headers = {"Authorization": f"Bearer {request.key}"} if request.key else {}
        self._http = httpx.Client(timeout=_ANSWER_S, trust_env=False, headers=headers)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def paraphrases(self, text: str) -> list[str]:
        """What the model suggests for a text, each once, in its order.

        Raises:
            ServiceError: no answer, or one of another form.
        """
        asked = self._request
        if asked.via:
            there = self._answer(_TRANSLATE.format(language=asked.via), text)
            return _lines(self._answer(_TRANSLATE.format(language=asked.language), there))[:1]
        said = self._answer(_PARAPHRASE.format(copies=asked.copies, language=asked.language), text)
        return _lines(said)[: asked.copies]

    def _answer(self, instruction: str, text: str) -> str:
        """The model's answer; one that was given before is not asked for again."""
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": text}]
        body = {"model": self._request.model, "messages": messages, "temperature": 0}
        kept = self._request.answers / f"{digest_of([self._request.endpoint, body])}.json"
        if kept.is_file():
            return from_json(str, kept.read_bytes())
        said = self._post(body)
        replace_file(kept, canonical_json(said))
        return said

    def _post(self, body: dict[str, Any]) -> str:
        address = f"{self._request.endpoint.rstrip('/')}/chat/completions"
        fix = "look whether the service runs, and at --endpoint, --model and OPENAI_API_KEY; answers so far are kept"
        wanted = "the answer of an OpenAI-compatible service"
        try:
            answer = self._http.post(address, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServiceError(address, f"{type(error).__name__}: {str(error)[:120]}", wanted, fix) from error
        if answer.status_code != httpx.codes.OK:
            raise ServiceError(address, f"status {answer.status_code}: {answer.text[:120]}", wanted, fix)
        try:
            said = answer.json()["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ServiceError(address, answer.text[:120], wanted, fix) from error
        if not isinstance(said, str):
            raise ServiceError(address, f"a content of {type(said).__name__}", wanted, fix)
        return said


def _lines(said: str) -> list[str]:
    found = (_LINE.sub(r"\1", line).strip(_QUOTES).strip() for line in said.splitlines())
    return [line for line in dict.fromkeys(found) if line]
