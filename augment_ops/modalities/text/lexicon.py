"""What transforms and corruptions of English texts know of letters and words. Texts of other languages lack the words,
so that fewer steps find something to do in them; no step harms them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def _neighbours() -> dict[str, str]:
    """Each letter → the letters whose keys touch its key on a QWERTY keyboard, as nlpaug's keyboard model has them."""
    rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    found: dict[str, str] = {}
    for row, keys in enumerate(rows):
        for place, key in enumerate(keys):
            beside = keys[max(0, place - 1) : place] + keys[place + 1 : place + 2]
            above = rows[row - 1][place : place + 2] if row else ""
            below = rows[row + 1][max(0, place - 1) : place + 1] if row + 1 < len(rows) else ""
            found[key] = beside + above + below
    return found


NEIGHBOURS: Mapping[str, str] = MappingProxyType(_neighbours())

# Words that turn a meaning round; whatever ends in n't does as well.
_NEGATIONS = """
no not never none nobody nothing nowhere neither nor without cannot cant dont doesnt didnt isnt wasnt wont
wouldnt couldnt shouldnt hasnt havent hadnt arent aint unable
"""
NEGATIONS = frozenset(_NEGATIONS.split())
_NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion dozen
first second third once twice half quarter
"""
NUMBERS = frozenset(_NUMBERS.split())
# What a sentence begins with and is no name. Any other word with a capital letter may be one.
_OPENERS = """
a about after all also am an and any are as at be because before but by can could did do does for from get give
had has have having hello help hey hi how i i'd i'll i'm i've if in is it it's its just let like may my need now
of on or our please shall should so some someone still tell thank thanks that that's the their there there's
these they they're this those to was we were what what's when where where's which who whose why will with would
you you're your
"""
OPENERS = frozenset(_OPENERS.split())

CONTRACTED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (word, verb): f"{word}'{ending}"
        for ending, verb, words in (
            ("m", "am", "i"),
            ("re", "are", "you we they"),
            ("s", "is", "it he she that what where who how there"),
            ("ve", "have", "i you we they"),
            ("ll", "will", "i you he she it we they"),
            ("d", "would", "i you he she we they"),
        )
        for word in words.split()
    }
)
# Not 's and 'd: "it's" may be "it is" or "it has", and "I'd" "I would" or "I had".
EXPANDED: Mapping[str, str] = MappingProxyType(
    {short: " ".join(pair) for pair, short in CONTRACTED.items() if not short.endswith(("'s", "'d"))}
)

# Of text messages; the normalisation lexicon of Han & Baldwin 2011 (ACL, P11-1038) has them the other way round.
_ABBREVIATIONS = """
you=u your=ur you're=ur are=r to=2 for=4 please=pls thanks=thx thank=thx because=cuz before=b4 see=c
why=y be=b and=n with=w/ about=abt account=acct message=msg number=nr people=ppl though=tho tonight=2nite
tomorrow=tmrw today=2day great=gr8 later=l8r want=wanna going=goin need=nid something=smth someone=sum1
have=hv what=wat when=wen where=whr how=hw my=ma the=da this=dis that=dat
minutes=mins hours=hrs week=wk weeks=wks month=mth months=mths payment=pymt received=rcvd would=wud
could=cud should=shud know=kno just=jus been=bin
"""
ABBREVIATIONS: Mapping[str, str] = MappingProxyType(dict(pair.split("=") for pair in _ABBREVIATIONS.split()))

MARKS = (".", ";", "?", ":", "!", ",")  # AEDA's six
