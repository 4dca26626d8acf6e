"""How a question, a request or a report begins, and with what else it could begin and say the same. English alone.

They are rules that keep what is meant (semantically equivalent rules, Ribeiro et al. 2018, ACL P18-1079; invariance of
questions, CheckList, Ribeiro et al. 2020, arXiv:2005.04118; paraphrases of questions, NL-Augmenter, Dhole et al. 2021,
arXiv:2112.02721), written for a suite. They are **held out**: of the product only the corruption of the suite reads
this module, which a contract of the imports holds, so that no transform trains on them.

Grammar decides what stands here. A frame that keeps the order of verb and subject may stand before any subject (`for
what reason is …`). One that turns it round needs a subject whose end is known, a pronoun: `why was i …` becomes `why i
was …`. What only `did` or `does` says of the time is never moved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    r"""A beginning, and others for it.

    Attributes:
        begins: matched at the words of a sentence in small letters, one blank between them and no punctuation; what it
            consumes is replaced, and what follows is only looked at.
        instead: templates, with `\1` and so on for its groups.
    """

    begins: re.Pattern[str]
    instead: tuple[str, ...]


# What shows that a sentence is English: words, and words beside each other, that German, Dutch, French, Spanish,
# Italian and Portuguese have not. Alone, `was`, `will`, `am`, `still`, `is`, `of`, `we`, `on`, `or`, `me`, `a`, `i`,
# `do`, `for` and `some` show nothing: each is a word of one of these, as `will an` and `was an` are of German.
_ENGLISH = """
able about again allowed another anyone anything are because before between can cannot could did does each every
everything from got how i'd i'll i'm i've if into it it's know made make many much my need now our should since someone
something than that that's the their them there there's they this those through until were what what's when where
where's whether which while who whose why with without would you you're your
"""
_ENGLISH_PAIRS = (
    r"i (?:am|do not|found|had|have|just|lost|see|sent|took|want|was|will|\w+ed)"
    "|(?:am|may|must|will) i|do i (?:have|want)|(?:had|have|is|want|was|will) a|(?:am|had|have|want) an"
    "|(?:had|have|want|wish|order) to|help me (?:get|set|to|with)|please (?:advise|check|fix|give|help)"
)
ENGLISH = re.compile(rf"(?<![\w'])(?:{'|'.join(_ENGLISH.split())}|\w+n't|{_ENGLISH_PAIRS})(?![\w'])")


def _frame(begins: str, *instead: str) -> Frame:
    return Frame(re.compile(rf"(?:{begins})(?![\w'])"), instead)


_POSITIVE = "am|is|are|was|were|will|can|could|should|would|have|has|may|must"
_NEGATED = "cannot|(?:ca|is|are|was|were|wo|have|has|could|would|should)n'?t"
_MOVABLE = f"{_POSITIVE}|{_NEGATED}"
_VERBS = f"{_MOVABLE}|had|do|does|did|(?:do|does|did)n'?t"
_PRONOUNS = "i|you|we|they|it|there"
_SUBJECTS = "i|i'm|i've|my|the|there|there's|it|it's|this|that|these|you|your|someone|a|an|we|they|some|one"
_SELF = "i|i'm|i've|im|there is|there are|there was|there were|there's|it is|it was|it's|someone|somebody"
# A verb follows in its first form, and no word that would mean something else in another place.
_VERB_NEXT = (
    r"(?= (?!(?:not|only|even|just|please|never|ever|then|so|also|still|with|the|a|an|my|i|it|you|we|there|and|or|as"
    r"|what|how|why|when|where|if|can|could|is|are|do|does|don't|regarding|about|in|on|for|from)\b)[a-z])"
)
# A thing follows: it does nothing (`-ing`, but after a preposition) and no preposition is without its noun.
_THING_NEXT = (
    r"(?= (?!.*(?<! for)(?<! of)(?<! the)(?<! my)(?<! in)(?<! with)(?<! by)(?<! about)(?<! on)(?<! to)(?<! and)"
    r"(?<! a)(?<! not) (?!\w*thing\b|during|setting|meaning|using|including|pending|exchanging)[a-z]+ing\b)"
    r"(?!.* (?:for|from|at|to|on|about|with|in|of|like|called|made|based)$)[a-z])"
)
_CLAUSE_NEXT = rf"(?= (?:{_SUBJECTS})\b)"
# A report has its verb: without one it may be a heading (`the exchange rate for my withdrawal`).
_REPORTS = rf"(?= (?:.* )?(?:{_VERBS}|shows?|says?|keeps?|needs?|seems?|failed|stopped|works)\b)"

# The most particular first. A question that becomes another stays one, and so keeps its mark.
FRAMES = (
    _frame(r"how (?:do|can|would|should) i go about(?= \w+ing\b)", "what are the steps for", "what is the way of"),
    _frame(
        f"how (?:do|can|could|would|should) i{_VERB_NEXT}",
        "what do i have to do to",
        "what is the way to",
        "which steps do i take to",
        "could you show me how to",
    ),
    _frame(f"how to{_VERB_NEXT}", "what has to be done to", "could you show me how to"),
    _frame(r"how long (do|does|did|will|would|should)(?= .*\btake\b)", r"how much time \1", r"what amount of time \1"),
    _frame("how long (until|till|before)", r"how much time \1"),
    _frame("how much does it cost", "what does it cost", "what is the price"),
    _frame("how much (is|are|do|does|did|will|can|would|should)", r"what amount \1"),
    _frame(r"how many(?! of\b)(?= \w)", "what number of"),
    _frame("how old (do|does|must|should)", r"what age \1"),
    _frame(f"how come{_CLAUSE_NEXT}", "why is it that", "what is the reason that"),
    _frame("how (do|does|did|will|would|could|should|can|are|was|were)", r"in what way \1"),
    _frame(r"how is(?! (?:it|this|that) still\b)(?= .*\b(?:\w+ed|set|made|done|chosen|found)\b)", "in what way is"),
    _frame(r"why do (i|you|we|they)(?! not\b)", r"for what reason do \1", r"could you explain why \1"),
    _frame(
        f"why ({_MOVABLE}|(?:do|does|did)n'?t) ({_PRONOUNS})",
        r"for what reason \1 \2",
        r"could you explain why \2 \1",
    ),
    _frame(rf"why(?= (?:{_VERBS})\b)", "for what reason", "for which reason"),
    _frame(f"why{_CLAUSE_NEXT}", "could you explain why", "what is the reason that"),
    _frame("what (?:do|should) i do", "what would you advise me to do", "which steps do i take"),
    _frame("what can i do", "which options do i have", "is there anything that i can do"),
    _frame("what happens if", "what will be the outcome if"),
    _frame("what if", "what would happen if"),
    _frame("what (?:happened|has happened) (?:to|with)", "what became of"),
    _frame("what does (it|this|that) mean", r"could you explain what \1 means", r"what is the meaning of \1"),
    _frame(
        rf"(?:what is|what's|whats|what are) (the(?! (?:matter|deal|point)\b)|your|my){_THING_NEXT}",
        r"could you tell me \1",
        r"i would like to know \1",
    ),
    _frame(rf"(?:what is|what's|whats) (an?){_THING_NEXT}", r"what is meant by \1"),
    _frame(rf"(?:what is|what's|whats) this(?! (?:is|on|in|for|from|about)\b){_THING_NEXT}", "could you explain this"),
    _frame(r"what do (i|you|we|they)(?! not\b)", r"could you tell me what \1", r"i would like to know what \1"),
    _frame(
        rf"what (?!are you (?!\w+ing\b))({_MOVABLE}) ({_PRONOUNS})",
        r"could you tell me what \2 \1",
        r"i would like to know what \2 \1",
    ),
    _frame(
        rf"what(?= (?!(?:{_VERBS}|if|about|to|else|exactly|happen\w*|my|the|your|a|an|this|i|you)\b)\w+ "
        rf"(?:\w+ )?(?:{_VERBS})\b)",
        "which",
    ),
    _frame(rf"which(?= (?!(?:{_VERBS}|one|of)\b)(?:\w+ ){{1,4}}(?:{_VERBS})\b)", "what"),
    _frame("when can i", "how soon can i", "could you tell me when i can"),
    _frame("when (will) (i|it|you|they|we|there)", r"how soon \1 \2", r"could you tell me when \2 \1"),
    _frame("when (will|should|can)", r"how soon \1"),
    _frame("when (is|are|does|do)", r"at what point \1"),
    _frame(f"where (?:do|can|should) i{_VERB_NEXT}", "could you tell me where to", "which is the place to"),
    _frame(r"where do (you|they|we)(?! not\b)", r"could you tell me where \1", r"in what place do \1"),
    _frame(rf"where ({_MOVABLE}) ({_PRONOUNS})", r"could you tell me where \2 \1", r"in what place \1 \2"),
    _frame(
        rf"(?:where is|where's|where are) (the|my|your){_THING_NEXT}",
        r"where can i find \1",
        r"do you know where to find \1",
    ),
    _frame("where (can|will|does|do)", r"in what place \1"),
    _frame(rf"is it possible to{_VERB_NEXT}", "can i", "am i able to"),
    _frame(f"is it possible for me to{_VERB_NEXT}", "can i", "am i able to"),
    _frame(f"(?:can|could|may) i(?: please)?{_VERB_NEXT}", "is it possible for me to", "would i be able to"),
    _frame(f"am i (?:able|allowed) to{_VERB_NEXT}", "is it possible for me to", "can i"),
    _frame(f"do i (?:need|have) to{_VERB_NEXT}", "is it necessary for me to", "am i required to"),
    _frame(r"do you know(?= (?:if|when|whether|what|which|how|where|why)\b)", "could you say", "could you find out"),
    _frame(
        r"(?:can|could|would|will) you(?: please)? (?:tell me|let me know)"
        r"(?= (?:if|when|whether|what|which|how|where|why|about)\b)",
        "do you know",
        "would you know",
    ),
    _frame(
        f"(?:(?:can|could|would) you(?: please)?|will you please){_VERB_NEXT}",
        "would it be possible for you to",
        "are you able to",
    ),
    _frame(f"(?:can|could) (?:someone|anyone|somebody|anybody)(?: please)?{_VERB_NEXT}", "is there anybody who could"),
    _frame(r"do (i|you|we|they)(?! not\b)", r"could you tell me whether \1", r"i would like to know if \1"),
    _frame(
        rf"({_POSITIVE}) ({_PRONOUNS})(?! not\b)", r"could you tell me whether \2 \1", r"i would like to know if \2 \1"
    ),
    _frame(
        r"(?:please )?(?:tell me|let me know)(?= (?:if|when|whether|what|which|how|where|why|about|the)\b)",
        "i would like to know",
    ),
    _frame(r"(?:please )?explain(?= (?:what|how|why|the|this|my)\b)", "i would like to understand"),
    _frame("(?:please )?help me with", "i would like some help with"),
    _frame(f"(?:please )?help me(?: to)?{_VERB_NEXT}", "i would like some help to"),
    _frame(f"please{_VERB_NEXT}", "would it be possible for you to", "i would like to ask you to"),
    _frame(f"(?:i would like|i'd like|i want|i wish) to{_VERB_NEXT}", "i am hoping to", "i would be glad to"),
    _frame(r"(?:i would like|i'd like|i want)(?= (?:a|an|my|the|some|information)\b)", "i wish to have"),
    _frame("i(?: really)? need help", "i could use some help"),
    _frame("i need to know", "i have to find out", "it is necessary for me to know"),
    _frame(f"i need to{_VERB_NEXT}", "it is necessary for me to", "i have to"),
    _frame(r"i need(?= (?:a|an|my|the|some|information)\b)(?!.* (?:to|back|\w+ed)\b)", "i am in need of"),
    _frame(f"i (?:tried|attempted) to{_VERB_NEXT}", "i made an attempt to"),
    _frame(f"(?:i am|i'm) trying to{_VERB_NEXT}", "i am making an attempt to"),
    _frame(f"i (?:think|believe)(?: that)?{_CLAUSE_NEXT}", "it seems to me that", "my impression is that"),
    _frame(r"i (?:have |just )?noticed(?: that)?(?= (?:i|it|there|you|someone)\b)", "it came to my attention that"),
)

_CONTACTS = (r"i am contacting you because \1", r"i am writing to you because \1", r"i am getting in touch because \1")
# Where a sentence begins that no frame above has, the first of a text: a question about any thing, and what happened.
OPENINGS = (
    _frame(rf"({_POSITIVE}|do|does|did)(?= (?!not\b)\w)", r"one question: \1", r"i have a question: \1"),
    _frame(rf"({_SELF})(?= \w)", *_CONTACTS),
    _frame(rf"({_SUBJECTS}){_REPORTS}", *_CONTACTS),
)

# Function words and small phrases, wherever they stand.
WORDS = (
    _frame(r"because(?! of\b)", "since"),
    _frame(r"due to(?= (?:the|my|your|this|that|some|an?)\b)", "because of"),
    _frame(r"but(?= (?:i|it|my|the|there)\b)", "yet"),
    _frame("until", "till"),
    _frame("maybe", "perhaps"),
    _frame("currently|right now", "at the moment"),
    _frame("immediately|right away", "at once"),
    _frame("as soon as possible|asap", "at the earliest opportunity"),
    _frame("anyone", "anybody"),
    _frame("someone", "somebody"),
    _frame("everyone", "everybody"),
    _frame("anywhere", "in any place"),
    _frame("everywhere", "in every place"),
    _frame("although|even though", "though"),
    _frame("via", "by way of"),
    _frame("(information|questions?|ask) about", r"\1 regarding"),
    _frame(r"several(?= \w+s\b)", "a number of"),
    _frame("a lot of", "lots of"),
    _frame(r"(?:every|each) time(?= i\b)", "whenever"),
    _frame("instead of", "rather than"),
    _frame("in order to", "to"),
    _frame("allowed to", "permitted to"),
    _frame("again and again", "over and over"),
    _frame("again", "once more"),
    _frame(f"(i|we|you) (?:want|would like) to{_VERB_NEXT}", r"\1 wish to"),
    _frame(f"(i|we|you) need to{_VERB_NEXT}", r"\1 have to"),
    _frame(f"tried to{_VERB_NEXT}", "attempted to"),
    _frame(f"trying to{_VERB_NEXT}", "attempting to"),
    _frame("(?:hello|hi|hey)(?: there)?", "good day"),
    _frame("thanks", "thank you"),
)
