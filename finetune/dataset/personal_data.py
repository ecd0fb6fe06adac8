"""Personal data in labelled pairs, found by presidio's patterns and replaced by their kind.

Patterns and check digits find what has a form: addresses, numbers of telephones, cards and accounts. Names of people have none,
and no model that would know them is loaded. Nothing is fetched: web domains are checked against the list that comes with
the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from doyen.core.records import Pair, Turn
from doyen.core.settings import DatasetSettings

if TYPE_CHECKING:
    from doyen.finetune.dataset.labels import Cleaned

LANGUAGE = "en"
"""Of the words around a number that make it more likely; the patterns are of all countries below."""
RECOGNISERS = (
    "CreditCardRecognizer",
    "CryptoRecognizer",
    "EsNieRecognizer",
    "EsNifRecognizer",
    "IbanRecognizer",
    "IpRecognizer",
    "ItFiscalCodeRecognizer",
    "MacAddressRecognizer",
    "PhoneRecognizer",
    "PlPeselRecognizer",
    "UkNinoRecognizer",
    "UsSsnRecognizer",
)
"""Those of presidio with a check digit or a form that little else has; e-mail addresses are found beside these."""
LEAST = 0.4
"""Confidence from which a find is masked: that of a telephone number with nothing around it that says so."""


def mask_personal_data(cleaned: Cleaned, recipe: DatasetSettings) -> None:
    """Replace personal data in prompts, responses, quotes and history by ``<KIND>``, and note kind and row of each.

    Raises:
        ModuleNotFoundError: presidio is not installed.
    """
    if recipe.personal_data == "mask":
        masker = Masker()
        cleaned.pairs = [masker.mask(pair) for pair in cleaned.pairs]
        cleaned.masked += masker.found


class Masker:
    """Masks pairs one after another.

    Attributes:
        found: ``{"row", "field", "kind", "score"}`` of each masked piece, without the piece.
    """

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self._analyzer = _analyzer()

    def mask(self, pair: Pair) -> Pair:
        """Return the pair without personal data."""
        changed: dict[str, Any] = {
            "prompt": self._masked(pair.id, "prompt", pair.prompt),
            "response": self._masked(pair.id, "response", pair.response),
            "evidence": [self._masked(pair.id, "evidence", quote) for quote in pair.evidence],
            "history": [Turn(role=turn.role, content=self._masked(pair.id, "history", turn.content)) for turn in pair.history],
        }
        changed = {name: value for name, value in changed.items() if value != getattr(pair, name)}
        return pair.model_copy(update=changed) if changed else pair

    def _masked(self, row: str, field: str, text: str) -> str:
        for start, end, kind, score in reversed(list(self._spans(text))):
            self.found.append({"row": row, "field": field, "kind": kind, "score": round(score, 2)})
            text = f"{text[:start]}<{kind}>{text[end:]}"
        return text

    def _spans(self, text: str) -> Iterator[tuple[int, int, str, float]]:
        """Yield the places of personal data from left to right; of those that overlap, the surest and longest."""
        results = self._analyzer.analyze(text=text, language=LANGUAGE, score_threshold=LEAST) if text.strip() else []
        taken: list[tuple[int, int, str, float]] = []
        for found in sorted(results, key=lambda result: (-result.score, result.start - result.end, result.start)):
            if all(found.end <= start or end <= found.start for start, end, _, _ in taken):
                taken.append((found.start, found.end, found.entity_type, found.score))
        yield from sorted(taken)


@cache
def _analyzer() -> Any:
    """Return presidio's analyzer with the pattern recognisers alone, and nothing that is fetched."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
    from presidio_analyzer.predefined_recognizers import EmailRecognizer

    domain_of = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True)

    class OfflineEmail(EmailRecognizer):
        """Checks domains against the packaged list; presidio's own asks the network for the newest one."""

        def validate_result(self, pattern_text: str) -> bool:
            return bool(domain_of(pattern_text).fqdn)

    recognisers = [getattr(predefined_recognizers, name)(supported_language=LANGUAGE) for name in RECOGNISERS]
    registry = RecognizerRegistry(recognizers=[OfflineEmail(), *recognisers], supported_languages=[LANGUAGE])
    return AnalyzerEngine(registry=registry, nlp_engine=_words_only(), supported_languages=[LANGUAGE])


def _words_only() -> Any:
    """Return an engine that finds words and nothing else, where presidio would load a language model."""
    import spacy
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class WordsOnly(NlpEngine):
        """The words around a find, which may confirm it."""

        def __init__(self) -> None:
            self._blank = spacy.blank(LANGUAGE)

        def load(self) -> None:
            """Do nothing: there is no model."""

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> Any:
            words = self._blank.make_doc(text)
            places, lemmas = [word.idx for word in words], [word.lower_ for word in words]
            return NlpArtifacts([], words, places, lemmas, self, language)

        def process_batch(self, texts: Any, language: str, *_: Any, **__: Any) -> Iterator[tuple[str, Any]]:
            for text in texts:
                yield text, self.process_text(text, language)

        def is_stopword(self, word: str, language: str) -> bool:
            return bool(self._blank.vocab[word].is_stop)

        def is_punct(self, word: str, language: str) -> bool:
            return bool(self._blank.vocab[word].is_punct)

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return [LANGUAGE]

    return WordsOnly()
