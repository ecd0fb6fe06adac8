"""Greetings, thanks and empty talk get a short honest reply: a model would invent a person, and passages would be cited."""

from __future__ import annotations

import re
import unicodedata

ASK = "Ask me a question about the documents, and I will look for the answer there."
WHO = "I am a program that answers questions from this workspace's documents, not a person."

_GREETINGS = """
hi|hello|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day)|welcome|yo|hallo|
guten (?:morgen|tag|abend)|moin|servus|
grüß gott|bonjour|bonsoir|salut|hola|buenos d[ií]as|buenas (?:tardes|noches)|ciao|buongiorno|ol[aá]|bom dia|hej|hoi|привет|
здравствуйте|你好|您好|こんにちは|안녕하세요
"""
_PLEASANTRIES = """
how are you(?: doing)?(?: today)?|how do you do|how is it going|how's it going|what's up|
nice to meet you|wie geht(?:'s| es)(?: dir| ihnen)?
"""
_THANKS = """
thanks|thank you|thx|cheers|many thanks|(?:thanks|thank you) (?:a lot|so much|very much|for (?:your|the) (?:help|answer))|
danke|vielen dank|danke schön|merci|gracias|grazie|obrigad[oa]|tack|спасибо|谢谢|ありがとう
"""
_PARTINGS = "bye|bye bye|goodbye|good night|see you(?: later| soon)?|tschüss|auf wiedersehen|au revoir|adi[oó]s|再见"
_WHO = """
who are you|what are you|what is your name|what's your name|are you (?:a )?(?:human|person|robot|bot|real|an ai)|
what can you do|what do you do|can you help(?: me)?|help(?: me)?|wer bist du|was kannst du
"""
_EMPTY = "test|testing|ok|okay|well|so|hmm+|um+|ah+|oh+|nothing|never mind|great|cool|nice|good|lol"
_ADDRESSED = "there|all|everyone|everybody|again|doyen|team|friend|sir|madam|assistant|bot|my friend|please|zusammen"

_KINDS = {
    "who": _WHO,
    "thanks": _THANKS,
    "greeting": _GREETINGS,
    "pleasantry": _PLEASANTRIES,
    "parting": _PARTINGS,
    "empty": _EMPTY,
}
_REPLIES = {
    "who": f"{WHO} {ASK}",
    "pleasantry": f"Hello. {WHO} {ASK}",
    "thanks": "You are welcome.",
    "greeting": f"Hello. {ASK}",
    "parting": "Goodbye.",
    "empty": ASK,
}
_PHRASES = "|".join(f"(?P<{kind}>{phrases.replace(chr(10), '').casefold()})" for kind, phrases in _KINDS.items())
_TALK = re.compile(rf"(?:(?:{_PHRASES})(?: (?:{_ADDRESSED}))*(?: |$))+")
_LONGEST = 80
"""Characters: longer texts are no small talk."""


def small_talk(question: str) -> str | None:
    """Return the reply to a text that consists of nothing but greetings and the like, or None for anything else."""
    words = _words(question)
    if not words:
        return ASK
    match = _TALK.fullmatch(words) if len(words) <= _LONGEST else None
    return next(reply for kind, reply in _REPLIES.items() if match[kind]) if match else None


def _words(text: str) -> str:
    """Return the letters, digits and apostrophes of a text, lower case, with single blanks for all else.

    A hyphen between letters stays, so that a "hi-flow valve" is no greeting; marks and symbols vanish.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(re.sub(r"(?!(?<=\w)[-'/.](?=\w))[^\w]+|_+", " ", folded).split())
