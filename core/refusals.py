"""Whether a text says that the documents hold no answer: the fixed refusal, or a model's own wording of it.

The wordings are anchored at both ends: every sentence of the text must be one of them. A text that refuses first and then
states something ("The documents do not say, but 26 weeks is usual.") is an answer.
"""

from __future__ import annotations

import unicodedata

import regex

_DOCUMENTS = (
    r"(?:(?:the|these|this|any of the|our|your|my) )?(?:(?:provided|given|available|retrieved|above|supplied|quoted) )*"
    r"(?:documents?|passages?|texts?|excerpts?|context|sources?|information)"
    r"(?: (?:of|from) (?:the|this|your|our) organi[sz]ation)?"
    r"(?: (?:(?:that )?(?:you (?:have )?)?(?:provided|gave|given|supplied|available)|above|here))?"
)
_NOT = r"(?:do(?:es)? not|don't|doesn't|did not|didn't)(?: (?:explicitly|specifically|directly|actually|clearly))?"
_ABOUT = r"(?:(?!\b(?:but|however|although|though|instead|except|only|rather|yet|whereas)\b)(?:[^.!?;。]|\.(?=\d)))*"
"""The rest of a sentence that takes nothing back."""
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
_WORDINGS = (
    rf"{_DOCUMENTS} {_NOT} "
    rf"(?:say|mention|state|specify|indicate|tell|explain|answer|address|discuss|describe|clarify)\b{_ABOUT}",
    rf"{_DOCUMENTS} {_NOT} (?:contain|provide|include|have|give|offer|hold)(?: me| us)?(?: with)? {_ANY}{_KNOWLEDGE}{_ABOUT}",
    r"(?:(?:the|these|this) )?(?:(?:provided|given|above) )?(?:passages?|texts?|excerpts?|context)"
    rf"(?: (?:provided|given|above))? {_NOT} (?:provide|give)\b{_ABOUT}",
    rf"(?:there is|there's|there are|i (?:see|find|found|have)) (?:no|not) {_ANY}{_KNOWLEDGE}"
    rf"(?: (?:about|regarding|concerning)\b{_ABOUT}|{_ABOUT} (?:in|from|by) {_DOCUMENTS})?",
    rf"no {_ANY}{_KNOWLEDGE} (?:(?:is|are|was|were) )?(?:given|provided|found|available)?"
    rf"(?: (?:about|regarding|concerning)\b{_ABOUT})?(?: ?in {_DOCUMENTS})?",
    rf"(?:none|nothing|no passage|no document)(?: (?:of|in) {_DOCUMENTS})? "
    rf"(?:says?|mentions?|states?|specif(?:y|ies)|answers?|indicates?|"
    rf"(?:provides?|gives?|contains?) {_ANY}{_KNOWLEDGE})\b{_ABOUT}",
    rf"i (?:do not|don't) have {_ANY}(?:{_KNOWLEDGE}|access|knowledge|context|data)\b{_ABOUT}",
    rf"i (?:do not|don't) know(?: (?:the|that|this|what|which|who|whom|when|where|why|how|whether|if|about)\b{_ABOUT})?",
    r"i(?: cannot| can not| can't| could not| couldn't|(?: am|'m| was) (?:unable|not able) to) "
    rf"(?:answer|find|determine|provide|locate|tell|say|give|help|assist|identify)\b{_ABOUT}",
    r"(?:it|this|that|the answer|the question|(?:the|this|that) (?:requested )?information) "
    r"(?:is not|was not|isn't|wasn't|cannot be|can't be|could not be)"
    rf" {_SAID} (?:anywhere )?(?:in|by|from|within) {_DOCUMENTS}",
    rf"(?:it|this|that|the answer) is not in {_DOCUMENTS}",
    rf"not (?:{_SAID}|available) (?:anywhere )?in {_DOCUMENTS}|not (?:mentioned|stated|specified)",
    # In other languages: German, French, Spanish, Chinese, Japanese.
    rf"(?:die|diese) (?:dokumente|textstellen|passagen) (?:sagen|enthalten|nennen|geben) (?:(?:dazu|darüber|hierzu|das|es) )*"
    rf"(?:nichts|nicht|keine (?:angaben?|informationen?|auskunft))\b{_ABOUT}",
    r"(?:dazu|darüber|hierzu|davon) (?:sagen|steht) (?:die dokumente|in den dokumenten) nichts|das weiß ich (?:leider )?nicht",
    rf"les documents ne (?:le |l')?(?:disent|précisent|mentionnent|indiquent) pas\b{_ABOUT}",
    rf"los documentos no (?:lo )?(?:dicen|mencionan|especifican|indican)\b{_ABOUT}",
    r"(?:这些)?(?:文档|文件|资料|段落)(?:中|里)?(?:并)?(?:没有|未)(?:说明|提及|提到|提供|给出)[^。但]*",
    r"(?:文書|資料|文章|ドキュメント)(?:に)?は?[^。]{0,30}(?:記載されていません|記載がありません|書かれていません)",
)
_ADVICE = (
    r"(?:please|you (?:may|might|could|should|can)|for (?:more|further) information|if you|could you|would you|let me know|"
    r"i (?:recommend|suggest|apologi[sz]e))\b[^.!?;\d]*"
)
_END = r"[.!?。…\"'”’)*\s]*(?:\[\d{1,3}\])*[.!?。…\s]*"
_SENTENCE = rf"[\"'“‘(*\s]*{_LEAD}(?:{'|'.join(_WORDINGS)}){_END}"
_REFUSAL = regex.compile(rf"(?:{_SENTENCE})(?:(?<=[.!?。…\"'”’)*\]\s])(?:{_SENTENCE}|{_ADVICE}{_END}))*")


def is_refusal(text: str) -> bool:
    """Whether a text is a refusal, in any script, or no text at all. A bare figure, code or "否" is an answer."""
    return is_blank(text) or _REFUSAL.fullmatch(_folded(text)) is not None


def may_become_refusal(text: str) -> bool:
    """Whether more text can make a refusal of this beginning: it must not be shown yet."""
    return is_blank(text) or _REFUSAL.fullmatch(_folded(text), partial=True) is not None


def is_blank(text: str) -> bool:
    """Whether nothing in the text can be seen."""
    return all(unicodedata.category(char)[0] in "ZC" for char in text)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("’", "'").split())
