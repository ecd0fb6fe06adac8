"""Whether a text says that the documents hold no answer: the fixed refusal, or a model's own wording of it.

"Unfortunately, the passages do not mention the torque of the Corvane 415. Please consult the manual."
 |-- opening --||-- says nothing about ---||-------- the rest --------|    |------- advice -------|

Every clause of the text must be one of `_WORDINGS` with nothing stated in its rest; advice may follow. So a text that refuses
first and then states something ("The documents do not say, 26 weeks is usual.") is an answer, and in doubt a text is one.
"""

from __future__ import annotations

import unicodedata

import regex

from doyen.core.quantities import find_facts
from doyen.core.records import REFUSAL

_CHAR = r"(?:[^.,:;!?()\[\]–—。、\n]|(?<=\d)[.,:–](?=\d))"
"""A character within a clause; "1,200" and "17:15" hold no end of one."""
_TAKES_BACK = (
    r"\b(?:but|however|although|though|instead|except|only|rather|yet|whereas|because|since|while|unless|besides"
    r"|other than|apart from|aside from)\b|\bso\b(?= \w)|(?<!\bsuch )\bas\b(?! to\b| well as\b)"
    r"|\band\b(?! (?:(?:the|an?|its|their|any) )?[\w-]+(?: (?:of|for)\b| ?[.,!?;。\[\n]|$))| -+ |--"
)
"""What opens another clause; "the price and weight of the cell" is none."""
_FINITE = r"\b(?:is|are|was|were|has|have|had|must|may|might|can|cannot|shall|should|will|would|could|it's|that's|there's)\b"
_QUESTION = r"(?:how|what|which|who|whom|whose|when|where|why|whether|if|that)"
_REST = rf"(?:(?!{_TAKES_BACK}|{_FINITE}){_CHAR})*(?:\b{_QUESTION}\b(?:(?!{_TAKES_BACK}){_CHAR})*)?"
"""What is not said: the rest of a clause, which has no verb of its own but after a question word."""
_REST_ELSEWHERE = rf"(?:(?!\b(?:aber|sondern|und|denn|weil|jedoch|mais|et|car|puisque|pero|sino|y|porque)\b){_CHAR})*"
"""The same in German, French and Spanish."""

_DOCUMENTS = (
    r"(?:(?:the|these|this|any of the|our|your|my|provided|given|available|retrieved|above|supplied|quoted) )*"
    r"(?:documents?|passages?|texts?|excerpts?|context|sources?|information)"
    r"(?: (?:of|from) (?:the|this|your|our) organi[sz]ation)?"
    r"(?: (?:(?:that )?(?:you (?:have )?)?(?:provided|gave|given|supplied|available)|above|here))?"
)
_IN_DOCUMENTS = rf"(?:in|by|from|within) {_DOCUMENTS}"
_ADVERB = r"(?:(?:explicitly|specifically|directly|actually|clearly|anywhere) )?"
_DO_NOT = rf"(?:do|does|did)(?: not|n't) {_ADVERB}"
_NOBODY = rf"(?:{_DOCUMENTS} {_DO_NOT}|(?:none|nothing|no passage|no document) (?:(?:of|in) {_DOCUMENTS} )?)"
_SAYS = r"(?:say|mention|state|indicate|tell|explain|answer|address|discuss|describe|clarify|clarifie|specify|specifie)s?"
_SAID = r"(?:mentioned|stated|specified|given|provided|found|described|addressed|answered|available)"
_ANY = r"(?:(?:any|enough|sufficient|specific|explicit|direct|clear|detailed|relevant|further|the|an|a|this|that|such|exact) )*"
_KNOWLEDGE = rf"{_ANY}(?:information|details?|mention|answers?|indication|specifics)(?![\w-])"
_TOPIC = (
    rf"(?: (?:{_SAID}|here|there|necessary|needed|required))?"
    rf"(?: (?:about|on|of|for|to|as to|in|from|with|at|related|{_QUESTION}|\w+ing)\b{_REST})?"
)
"""What information is about, if that is said at all: "information rights" are none."""
_THING = rf"(?:this|that|it|the (?:(?!an?\b|the\b|any\b)[\w-]+ ){{0,2}}[\w-]+(?: (?:of|for|in|on|at|between)\b{_REST})?)"
_WORDINGS = (
    # The passages do not mention the price. None of the documents says how often.
    rf"{_NOBODY}{_SAYS}\b(?! that \w){_REST}",
    # The context does not contain any information about holidays.
    rf"{_NOBODY}(?:contain|provide|include|have|give|offer|hold)s?(?: me| us)?(?: with)? {_KNOWLEDGE}{_TOPIC}",
    # The text does not provide the weight of the cell.
    rf"{_DOCUMENTS} {_DO_NOT}(?:provide|give)(?: {_THING})?",
    # There is no mention of a colour in the text. No information is given.
    rf"(?:(?:there is|there's|there are|i (?:see|find|found|have)) )?no {_KNOWLEDGE}(?: (?:is|are|was|were))?(?: {_SAID})?"
    rf"(?: (?:about|regarding|concerning)\b{_REST}|{_REST} {_IN_DOCUMENTS})?",
    # I do not know the price. I don't have enough information to answer.
    rf"i {_DO_NOT}(?:know|have (?:{_KNOWLEDGE}|{_ANY}(?:access|knowledge|context|data)))\b{_REST}",
    # I cannot answer this question.
    r"i(?: can ?not| can't| could not| couldn't|(?: am|'m| was) (?:unable|not able) to) "
    rf"(?:answer|find|determine|provide|locate|tell|say|give|help|assist|identify)\b{_REST}",
    # It is not mentioned in the documents. The answer is not in the passages. Not specified.
    r"(?:(?:it|this|that|the answer|the question|(?:the|this|that) (?:requested )?information) "
    r"(?:is not|was not|isn't|wasn't|cannot be|can't be|could not be)|not)"
    rf" (?:{_ADVERB}{_SAID} )?{_ADVERB}{_IN_DOCUMENTS}|not (?:mentioned|stated|specified)",
    # German, French, Spanish, Chinese, Japanese.
    rf"(?:die|diese) (?:dokumente|textstellen|passagen) (?:sagen|enthalten|nennen|geben) (?:(?:dazu|darüber|hierzu|das|es) )*"
    rf"(?:nichts|nicht|keine (?:angaben?|informationen?|auskunft))\b{_REST_ELSEWHERE}"
    rf"(?:, (?:wie|was|wer|wen|wem|wann|wo|warum|ob|welche[rsmn]?)\b{_REST_ELSEWHERE})?",
    r"(?:dazu|darüber|hierzu|davon) (?:sagen|steht) (?:die dokumente|in den dokumenten) nichts|das weiß ich (?:leider )?nicht",
    rf"les documents ne (?:le |l')?(?:disent|précisent|mentionnent|indiquent) pas\b{_REST_ELSEWHERE}",
    rf"los documentos no (?:lo )?(?:dicen|mencionan|especifican|indican)\b{_REST_ELSEWHERE}",
    rf"(?:这些)?(?:文档|文件|资料|段落)(?:中|里)?(?:并)?(?:没有|未)(?:说明|提及|提到|提供|给出)(?:(?!因为|所以|而且|不过|但){_CHAR})*",
    rf"(?:文書|資料|文章|ドキュメント)(?:に)?は?{_CHAR}{{0,30}}(?:記載されていません|記載がありません|書かれていません)",
)
_OPENING = (
    r"(?:(?:(?:i'm|i am) )?sorry,? (?:but |that )?|(?:i'm|i am) afraid,? (?:that )?|unfortunately,? |"
    rf"as an? (?:ai|language model|assistant)[^,.]{{0,40}}, |(?:based on|according to|from|in) {_DOCUMENTS},? )*"
)
_WITHIN = rf"(?:(?!{_FINITE})[^.,!?;\d])*"
"""A stretch of advice without a figure or a statement."""
_ADVICE = (
    r"(?:(?:please|if you|could you|would you|you (?:may|might|could|should|can)|i (?:recommend|suggest|advise))"
    r"(?: (?:want|wish|need|like|try|that|you|to|please))* "
    r"(?:consult|contact|refer|ask|rephras|clarif|specify|reach(?:ing)? out|feel free|try again|let (?:me|us) know"
    rf"|(?:check|see|review|look)\w* {_WITHIN}\b(?:manual|documentation|documents?|handbook|guide|website|sources?|supplier)\b"
    rf"|(?:provid|giv|shar|send|have|need|want|like|know)\w* {_WITHIN}"
    r"\b(?:information|details?|more|questions?|context|help|assistance|documents?|passages?|text)\b)"
    r"|for (?:more|further) information|let me know|i apologi[sz]e)[^.!?;\d\n]*"
)
"""Whom to ask or what to send instead; "Please close the valve." is none."""
_END = r"[.!?。…\"'”’)*\s]*(?:\[\d{1,3}\])*[.!?。…\s]*"
_SENTENCE = rf"[\"'“‘(*\s]*{_OPENING}(?:{'|'.join(_WORDINGS)}){_END}"
_NEXT = rf"(?:{_SENTENCE}|{_ADVICE}{_END})"
_JOINT = r"(?:[,;:]|,? (?:so|and|because|as|since|therefore|thus)\b| ?[–—]| -+)+ ?"
_REFUSAL = regex.compile(rf"(?:{_SENTENCE})(?:(?<=[.!?。…\"'”’)*\]\s]){_NEXT}|{_JOINT}{_NEXT})*")
_MARKER = regex.compile(r"\[\d{1,3}\]")


def is_refusal(text: str, asked: str | None = None) -> bool:
    """Whether a text is a refusal, in any script, or no text at all. A bare figure, code or "否" is an answer.

    Args:
        asked: what the person asked, where it is known: a text that states a figure which it does not hold is an answer.
    """
    if is_unprintable(text):
        return True
    return _REFUSAL.fullmatch(_folded(text)) is not None and (asked is None or not _states_a_fact(text, asked))


def may_become_refusal(text: str) -> bool:
    """Whether more text can make a refusal of this beginning: it must not be shown yet."""
    return is_unprintable(text) or _REFUSAL.fullmatch(_folded(text), partial=True) is not None


def is_unprintable(text: str) -> bool:
    """Whether a text has no printable character; fillers and the empty Braille cell, which are `is_blank`, print."""
    return all(unicodedata.category(char)[0] in "ZC" for char in text)


class RefusalBuffer:
    """Collects an answer's text in progress and releases what is final: nothing that is taken back later.

    The beginning is held back while it may still turn out to be a refusal, which is replaced by the fixed one; white space
    is held back until something follows. The released pieces together are ``text``.

    Attributes:
        text: everything released so far.
        refused: whether the whole was a refusal; known after ``finish``.
    """

    def __init__(self, asked: str | None = None) -> None:
        """Begin an answer; ``asked`` as in ``is_refusal``."""
        self._asked = asked
        self._whole = ""
        self.text = ""
        self.refused = False

    def push(self, piece: str) -> str:
        """Add text and return what may be shown of it, maybe nothing."""
        self._whole += piece
        if not self.text and may_become_refusal(self._whole):
            return ""
        return self._release()

    def finish(self) -> str:
        """Return what was still held back, or the refusal."""
        if not self.text and is_refusal(self._whole, self._asked):
            self.refused = True
            self.text = REFUSAL
            return REFUSAL
        return self._release()

    def _release(self) -> str:
        ready = self._whole.strip()
        piece = ready[len(self.text) :]
        self.text = ready
        return piece


def _states_a_fact(text: str, asked: str) -> bool:
    known = find_facts(asked)
    stated = find_facts(_MARKER.sub(" ", text))
    return not all(any(fact.stated_by(other) or other.stated_by(fact) for other in known) for fact in stated)


def _folded(text: str) -> str:
    """Return the text as the wordings are written; a line break ends a sentence."""
    lines = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").splitlines()
    return "\n".join(" ".join(line.split()) for line in lines if line.strip())
