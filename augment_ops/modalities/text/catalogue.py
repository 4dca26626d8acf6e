"""The transforms that a policy of texts may name; see `augment_ops.modalities.catalogue.Catalogue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from augment_ops.modalities.catalogue import Catalogue, Effect
from augment_ops.modalities.schema_catalogue import SchemaCatalogue, Share, TransformSchema
from augment_ops.modalities.text import transforms
from augment_ops.modalities.text.bounds import TextBounds, TextBudget, TextLimits
from augment_ops.modalities.text.lexicon_file import Kind, load
from augment_ops.modalities.text.transforms import Draws
from augment_ops.modalities.text.words import Sentence

_Word = Annotated[str, Field(min_length=1, max_length=60)]
_KEBAB = r"^[a-z0-9]+(-[a-z0-9]+)*$"
_SlotName = Annotated[str, Field(pattern=r"^\w+$", max_length=60)]


class _Keyboard(TransformSchema):
    """A letter of a word becomes one whose key is beside it.

    Attributes:
        aug_word_p: share of the words with a slip.
        min_char: letters of the shortest word that has one; nlpaug's name and default.
    """

    aug_word_p: Share = 0.1
    min_char: Annotated[int, Field(ge=1, le=50, strict=True)] = 4


class _RandomChar(_Keyboard):
    """Two letters of a word change places, one is left out, or one stands twice."""

    action: Literal["swap", "delete", "insert"] = "swap"


class _RandomWord(TransformSchema):
    """Words change places, or are left out; EDA's alpha is `aug_p`, and its default is ours."""

    action: Literal["swap", "delete"] = "swap"
    aug_p: Share = 0.1


class _Aeda(TransformSchema):
    """Punctuation marks between words: from one to `punc_ratio` of the words; the authors' name and value."""

    punc_ratio: Share = 0.3


class _Casing(TransformSchema):
    """Words in small letters, in capitals, or with a capital each."""

    style: Literal["lower", "upper", "title"] = "lower"
    aug_p: Share = 1.0


class _Words(TransformSchema):
    """Of a share of the words: contractions made and resolved; or punctuation left out."""

    aug_p: Share = 0.5


class _Reserved(TransformSchema):
    """Words that somebody says mean the same, one for another; nlpaug's name.

    Attributes:
        reserved_tokens: groups of words or phrases that may stand for each other; words of one are found in texts,
            phrases only put there.
        aug_p: share of the words found that are replaced.
    """

    reserved_tokens: Annotated[tuple[Annotated[tuple[_Word, ...], Field(min_length=2)], ...], Field(min_length=1)]
    aug_p: Share = 0.5

    @field_validator("reserved_tokens")
    @classmethod
    def _once(cls, value: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        given = [token.lower() for group in value for token in group]
        if len(set(given)) < len(given):
            raise ValueError("each word in one group, once")
        return value


class _FromLexicon(TransformSchema):
    """What draws from a file that the policy names.

    Attributes:
        lexicon: its name, in `policies/lexicons/`.
        sha256: of the file; another one is refused.
    """

    lexicon: Annotated[str, Field(pattern=_KEBAB, max_length=100)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Synonym(_FromLexicon):
    """Words give way to synonyms; nlpaug's name and its default share, after EDA.

    Attributes:
        aug_p: share of the words that have synonyms.
    """

    aug_p: Share = 0.3


class _Template(TransformSchema):
    """Slots of a text, such as `{amount}`, get values.

    Attributes:
        slots: name → values that it may have.
    """

    slots: Annotated[dict[_SlotName, Annotated[tuple[_Word, ...], Field(min_length=1)]], Field(min_length=1)]


_SCHEMAS: Mapping[str, type[TransformSchema]] = {
    "AEDA": _Aeda,
    "Casing": _Casing,
    "Contractions": _Words,
    "KeyboardAug": _Keyboard,
    "Paraphrase": _FromLexicon,
    "PunctuationRemoval": _Words,
    "RandomCharAug": _RandomChar,
    "RandomWordAug": _RandomWord,
    "ReservedAug": _Reserved,
    "SynonymAug": _Synonym,
    "TemplateAug": _Template,
}
_LEXICONS: Mapping[str, Kind] = {"Paraphrase": "paraphrases", "SynonymAug": "synonyms"}
_SLIPS = ("KeyboardAug", "RandomCharAug")
_REWORDINGS = (
    "Paraphrase",
    "ReservedAug",
    "SynonymAug",
)  # other words of a file or policy, of which some may be a suite's
_STYLES = {"lower": str.lower, "upper": str.upper, "title": str.capitalize}


def _effect(name: str, what: str) -> Effect:
    return Effect(name=name, key=f"max_{name}", expected=lambda limit: f"at most {limit:g} of the words {what}")


class _TextCatalogue(SchemaCatalogue):
    schemas = _SCHEMAS
    budget = TextBudget
    bounds = TextBounds
    limits = TextLimits
    effects = (
        _effect("misspelt_share", "with a slip"),
        _effect("moved_share", "moved"),
        _effect("deleted_share", "left out"),
        _effect("marks_ratio", "with a mark put before"),
        _effect("synonym_share", "replaced by a synonym"),
    )

    def strengths(self, name: str, values: Mapping[str, Any], effect: str) -> Mapping[str, float]:
        of = {"swap": "moved_share", "delete": "deleted_share"}
        if name in _SLIPS and effect == "misspelt_share":
            return {"aug_word_p": float(values["aug_word_p"])}
        if name == "RandomWordAug" and effect == of[values["action"]]:
            return {"aug_p": float(values["aug_p"])}
        if name == "AEDA" and effect == "marks_ratio":
            return {"punc_ratio": float(values["punc_ratio"])}
        if name == "SynonymAug" and effect == "synonym_share":
            return {"aug_p": float(values["aug_p"])}
        return {}

    def teaches(self, name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        strength = {"AEDA": "punc_ratio", "Paraphrase": "p", **dict.fromkeys(_SLIPS, "aug_word_p")}.get(name, "aug_p")
        if not values["p"] or not values.get(strength):
            return ()
        if name in _REWORDINGS:
            return ("rephrasing",)
        if name == "RandomWordAug":
            return ("dropped_words",) if values["action"] == "delete" else ()
        taught = {"AEDA": "stray_punctuation", "Casing": "casing", **dict.fromkeys(_SLIPS, "typos")}
        return (taught[name],) if name in taught else ()


CATALOGUE: Catalogue = _TextCatalogue()


@dataclass(frozen=True)
class TextChange:
    """What a transform of a policy does to one sentence. A value: it is made again from the policy in each process."""

    name: str
    values: Mapping[str, Any]

    def __call__(self, found: Sentence, draws: Draws) -> None:
        """In place."""
        name, values = self.name, self.values
        if name in _SLIPS:
            how = transforms.neighbouring_key if name == "KeyboardAug" else transforms.SLIPS[values["action"]]
            transforms.misspelt(found, draws, share=values["aug_word_p"], min_char=values["min_char"], how=how)
        elif name == "RandomWordAug":
            change = transforms.swapped if values["action"] == "swap" else transforms.deleted
            change(found, draws, share=values["aug_p"])
        elif name == "AEDA":
            transforms.marked(found, draws, ratio=values["punc_ratio"])
        elif name == "Casing":
            transforms.recased(found, draws, share=values["aug_p"], style=_STYLES[values["style"]])
        elif name == "Contractions":
            transforms.contracted(found, draws, share=values["aug_p"])
        elif name == "PunctuationRemoval":
            transforms.bare(found, draws, share=values["aug_p"])
        elif name == "TemplateAug":
            transforms.filled(found, draws, slots=values["slots"])
        elif name == "Paraphrase":
            transforms.paraphrased(found, draws, instead=values["instead"])
        else:
            transforms.replaced(found, draws, share=values["aug_p"], instead=values["instead"])


def change_of(name: str, values: Mapping[str, Any]) -> TextChange:
    """The change of a transform with those parameters, as `resolved` gives them.

    Raises:
        PolicyError: it draws from a lexicon that is not there, or is another one.
    """
    kind = _LEXICONS.get(name)
    if kind is not None:
        return TextChange(name, {**values, "instead": load(values["lexicon"], values["sha256"], kind)})
    if name != "ReservedAug":
        return TextChange(name, values)
    groups = values["reserved_tokens"]
    instead = {
        word.lower(): tuple(other for other in group if other != word)
        for group in groups
        for word in group
        if " " not in word
    }
    return TextChange(name, {**values, "instead": instead})
