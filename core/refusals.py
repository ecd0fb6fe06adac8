"""Whether a text says that the documents hold no answer: the fixed refusal, or a model's own wording of it.

The wordings are anchored at both ends: every clause of the text must be one of them. A text that refuses first and then
states something ("The documents do not say, 26 weeks is usual.") is an answer, and in doubt a text is one.
"""

from __future__ import annotations

import unicodedata

import regex

from doyen.core.quantities import find_facts

_DOCUMENTS = (
    r"(?:(?:the|these|this|any of the|our|your|my) )?(?:(?:provided|given|available|retrieved|above|supplied|quoted) )*"
    r"(?:documents?|passages?|texts?|excerpts?|context|sources?|information)"
    r"(?: (?:of|from) (?:the|this|your|our) organi[sz]ation)?"
    r"(?: (?:(?:that )?(?:you (?:have )?)?(?:provided|gave|given|supplied|available)|above|here))?"
)
_NOT = r"(?:do(?:es)? not|don't|doesn't|did not|didn't)(?: (?:explicitly|specifically|directly|actually|clearly))?"
_TAKES_BACK = (
    r"\b(?:but|however|although|though|instead|except|only|rather|yet|whereas|because|since|while|unless|besides"
    r"|(?:other than|apart from|aside from))\b|\bso\b(?= \w)|(?<!\bsuch )\bas\b(?! to\b| well as\b)"
    r"|\band\b(?! (?:(?:the|an?|its|their|any) )?[\w-]+(?: (?:of|for)\b| ?[.,!?;。\[\n]|$))| -+ |--"
)
"""What opens another clause; "the price and weight of the cell" is none."""
_CHAR = r"(?:[^.,:;!?()\[\]–—。、\n]|(?<=\d)[.,:–](?=\d))"
_ABOUT = rf"(?:(?!{_TAKES_BACK}){_CHAR})*"
"""The rest of a clause."""
_FINITE = r"(?:is|are|was|were|has|have|had|must|may|might|can|cannot|shall|should|will|would|could|it's|that's|there's)"
_OBJECT = (
    rf"(?:(?!{_TAKES_BACK}|\b{_FINITE}\b){_CHAR})*"
    rf"(?:\b(?:how|what|which|who|whom|whose|when|where|why|whether|if|that)\b{_ABOUT})?"
)
"""What is not said: the rest of a clause without a statement ("that smoking is forbidden") in it."""
_NO_STATEMENT = r"\b(?! that \w)"
_ELSEWHERE = rf"(?:(?!\b(?:aber|sondern|und|denn|weil|jedoch|mais|et|car|puisque|pero|sino|y|porque)\b){_CHAR})*"
"""The rest of a clause in German, French or Spanish."""
_ANY = r"(?:(?:any|enough|sufficient|specific|explicit|direct|clear|detailed|relevant|further|the|an|a|this|that|such|exact) )*"
_KNOWLEDGE = r"(?:information|details?|mention|answers?|indication|specifics)(?![\w-])"
_SAID = (
    r"(?:(?:explicitly|specifically|directly) )?"
    r"(?:mentioned|stated|specified|given|provided|found|described|addressed|answered)"
)
_LEAD = (
    r"(?:(?:(?:i'm|i am) )?sorry,? (?:but |that )?|(?:i'm|i am) afraid,? (?:that )?|unfortunately,? |"
    r"as an? (?:ai|language model|assistant)[^,.]{0,40}, |"
    rf"(?:based on|according to|from|in) {_DOCUMENTS},? )*"
)
_TOPIC = (
    r"(?:(?: (?:given|provided|found|available|here|there|necessary|needed|required))?"
    r"(?: (?:about|regarding|concerning|on|of|for|to|as to|in|from|with|at|related|relating|pertaining|that|how|what|which|who"
    rf"|when|where|why|whether|if|stating|specifying|describing|indicating|explaining)\b{_OBJECT})?)"
)
"""What information is about, if that is said at all: "information rights" are none."""
_WORDINGS = (
    rf"{_DOCUMENTS} {_NOT} "
    rf"(?:say|mention|state|specify|indicate|tell|explain|answer|address|discuss|describe|clarify){_NO_STATEMENT}{_OBJECT}",
    rf"{_DOCUMENTS} {_NOT} (?:contain|provide|include|have|give|offer|hold)(?: me| us)?(?: with)? {_ANY}{_KNOWLEDGE}{_TOPIC}",
    r"(?:(?:the|these|this) )?(?:(?:provided|given|above) )?(?:passages?|texts?|excerpts?|context)"
    rf"(?: (?:provided|given|above))? {_NOT} (?:provide|give)(?: (?:this|that|it)"
    rf"| the (?:(?!an?\b|the\b|any\b)[\w-]+ ){{0,2}}[\w-]+(?: (?:of|for|in|on|at|between)\b{_OBJECT})?)?",
    rf"(?:there is|there's|there are|i (?:see|find|found|have)) (?:no|not) {_ANY}{_KNOWLEDGE}"
    rf"(?: (?:about|regarding|concerning)\b{_OBJECT}|{_OBJECT} (?:in|from|by) {_DOCUMENTS})?",
    rf"no {_ANY}{_KNOWLEDGE} (?:(?:is|are|was|were) )?(?:given|provided|found|available)?"
    rf"(?: (?:about|regarding|concerning)\b{_OBJECT})?(?: ?in {_DOCUMENTS})?",
    rf"(?:none|nothing|no passage|no document)(?: (?:of|in) {_DOCUMENTS})? "
    rf"(?:(?:says?|mentions?|states?|specif(?:y|ies)|answers?|indicates?){_NO_STATEMENT}{_OBJECT}|"
    rf"(?:provides?|gives?|contains?) {_ANY}{_KNOWLEDGE}{_TOPIC})",
    rf"i (?:do not|don't) have {_ANY}(?:{_KNOWLEDGE}|access|knowledge|context|data)\b{_OBJECT}",
    rf"i (?:do not|don't) know(?: (?:the|that|this|what|which|who|whom|when|where|why|how|whether|if|about)\b{_ABOUT})?",
    r"i(?: cannot| can not| can't| could not| couldn't|(?: am|'m| was) (?:unable|not able) to) "
    rf"(?:answer|find|determine|provide|locate|tell|say|give|help|assist|identify)\b{_OBJECT}",
    r"(?:it|this|that|the answer|the question|(?:the|this|that) (?:requested )?information) "
    r"(?:is not|was not|isn't|wasn't|cannot be|can't be|could not be)"
    rf" {_SAID} (?:anywhere )?(?:in|by|from|within) {_DOCUMENTS}",
    rf"(?:it|this|that|the answer) is not in {_DOCUMENTS}",
    rf"not (?:{_SAID}|available) (?:anywhere )?in {_DOCUMENTS}|not (?:mentioned|stated|specified)",
    # In other languages: German, French, Spanish, Chinese, Japanese.
    rf"(?:die|diese) (?:dokumente|textstellen|passagen) (?:sagen|enthalten|nennen|geben) (?:(?:dazu|darüber|hierzu|das|es) )*"
    rf"(?:nichts|nicht|keine (?:angaben?|informationen?|auskunft))\b{_ELSEWHERE}"
    rf"(?:, (?:wie|was|wer|wen|wem|wann|wo|warum|ob|welche[rsmn]?)\b{_ELSEWHERE})?",
    r"(?:dazu|darüber|hierzu|davon) (?:sagen|steht) (?:die dokumente|in den dokumenten) nichts|das weiß ich (?:leider )?nicht",
    rf"les documents ne (?:le |l')?(?:disent|précisent|mentionnent|indiquent) pas\b{_ELSEWHERE}",
    rf"los documentos no (?:lo )?(?:dicen|mencionan|especifican|indican)\b{_ELSEWHERE}",
    rf"(?:这些)?(?:文档|文件|资料|段落)(?:中|里)?(?:并)?(?:没有|未)(?:说明|提及|提到|提供|给出)(?:(?!因为|所以|而且|不过|但){_CHAR})*",
    rf"(?:文書|資料|文章|ドキュメント)(?:に)?は?{_CHAR}{{0,30}}(?:記載されていません|記載がありません|書かれていません)",
)
_SOURCE = (
    r"(?:(?:the|your|our|its|a) (?:[\w-]+ ){0,2}"
    r"(?:manual|documentation|documents?|handbook|guide|website|sources?|supplier)\b)"
)
_MORE = r"(?:me|us|any|more|additional|further|another|other|a different|the (?:full|relevant|complete))\b"
_ADVICE = (
    r"(?:(?:please|you (?:may|might|could|should|can)|i (?:recommend|suggest|advise))"
    r"(?: (?:want|wish|need|like|try|that|you|to))* (?:consult|contact|refer|ask|rephras|clarif|specify|reach(?:ing)? out"
    r"|feel free|try again|let me know|let us know"
    rf"|(?:check|see|review|look)\w*(?: (?:in|at|with))? {_SOURCE}|(?:provid|giv|shar|send)\w* {_MORE})"
    r"|for (?:more|further) information|could you|would you|let me know|i apologi[sz]e"
    rf"|if you (?:have|need|can|could|provide|give|share|would like|want)\b(?:(?!{_FINITE}\b)[^.,!?;\d])*"
    r"\b(?:information|details?|questions?|context|documents?|help|assistance|passages?|text)\b)[^.!?;\d\n]*"
)
_END = r"[.!?。…\"'”’)*\s]*(?:\[\d{1,3}\])*[.!?。…\s]*"
_SENTENCE = rf"[\"'“‘(*\s]*{_LEAD}(?:{'|'.join(_WORDINGS)}){_END}"
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


def _states_a_fact(text: str, asked: str) -> bool:
    known = find_facts(asked)
    stated = find_facts(_MARKER.sub(" ", text))
    return not all(any(fact.stated_by(other) or other.stated_by(fact) for other in known) for fact in stated)


def _folded(text: str) -> str:
    """Return the text as the wordings are written; a line break ends a sentence."""
    lines = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").splitlines()
    return "\n".join(" ".join(line.split()) for line in lines if line.strip())
