"""All settings of a workspace in one typed model, read from ``doyen.toml`` and the environment.

Environment variables override the file: ``DOYEN_RETRIEVAL__TOP_K=5`` sets ``top_k`` of ``[retrieval]``, ``DOYEN_NAME`` the
key ``name`` outside the sections. Lists are written ``0.7,0.1,0.2``, lists of tables as JSON; an empty text unsets what may
be unset. A wrong key or value anywhere is reported together with all the others.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Collection, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from doyen.core.errors import InputError, SettingsError
from doyen.core.modes import MAX_PASSAGES, MODES

FILE_NAME = "doyen.toml"
ENVIRONMENT_PREFIX = "DOYEN_"
SHARES_TOLERANCE = 1e-3
ENGINES = ("llamacpp", "transformers", "openai")
RETRIEVERS = ("hybrid", "lexical", "dense")
RERANKERS = ("reader", "none")
ENGINE_GROUP, RETRIEVER_GROUP, RERANKER_GROUP = "doyen.engines", "doyen.retrievers", "doyen.rerankers"
"""Entry point groups under which other packages register theirs."""
SECRET_WORDS = ("key", "secret", "password", "token")

Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _check_http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("it must be a URL like http://host:port")
    return url


def _registered(group: str, built_in: tuple[str, ...]) -> AfterValidator:
    """Return a check that a name is one of ours, or registered under an entry point group."""

    def check(name: str) -> str:
        if name not in built_in and name not in (added := entry_points(group=group).names):
            raise ValueError(f"it must be one of {', '.join(map(repr, (*built_in, *sorted(added))))}")
        return name

    return AfterValidator(check)


OWNER_NAME = "owner"
"""Stands for `serving.api_key` where a key is named; no other key may have it."""


def _check_keys(keys: tuple[KeySettings, ...]) -> tuple[KeySettings, ...]:
    names = [key.name for key in keys]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"the name {sorted(twice)[0]!r} stands for several keys: give each its own")
    if OWNER_NAME in names:
        raise ValueError(f"the name {OWNER_NAME!r} belongs to serving.api_key: choose another")
    return keys


HttpUrl = Annotated[str, AfterValidator(_check_http_url)]
Unset = BeforeValidator(lambda value: None if value == "" else value)
"""An empty text stands for None."""


def _split(value: object) -> object:
    return re.findall(r"[^\s,;\[\]()]+", value) if isinstance(value, str) else value


def _split_rules(value: object) -> object:
    return [rule.strip() for rule in value.split(";") if rule.strip()] if isinstance(value, str) else value


def _read_json(value: object) -> object:
    try:
        return json.loads(value or "[]") if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"it must be a list of tables in JSON ({error})") from error


class Section(BaseModel):
    """Base of all sections: unknown keys are mistakes, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PlatformSettings(Section):
    """Where state is kept."""

    database_url: Annotated[Name | None, Unset] = None
    """None keeps metadata in SQLite inside the workspace; a SQLAlchemy URL such as postgresql://user@host/name moves it to that
    server (`pip install 'doyen[postgres]'`)."""


Group = Annotated[str, Field(pattern=r"^[\w.@:/-]+$", max_length=100)]
"""Name of a group of readers: letters, digits and any of ``._-@:/``."""


def check_groups(groups: Collection[str]) -> frozenset[str]:
    """Return the names of groups.

    Raises:
        InputError: one cannot be a group's name.
    """
    try:
        return frozenset(TypeAdapter(tuple[Group, ...]).validate_python(tuple(groups)))
    except ValidationError as error:
        wrong = error.errors()[0]["input"]
        raise InputError(f"{wrong!r} cannot be a group's name: use letters, digits and any of ._-@:/") from error


class FolderAccess(Section):
    """Who may read the documents of a folder."""

    folder: Name
    """Relative to the workspace's folder, or absolute; or the first folders of documents' sources, "." for all. Of several
    folders that hold a document the nearest counts."""
    groups: tuple[Group, ...]
    """Groups that may read them; none opens the folder to everyone who may use the workspace."""


class IngestionSettings(Section):
    """How documents are read and cut."""

    access: Annotated[tuple[FolderAccess, ...], NoDecode, BeforeValidator(_read_json)] = ()
    """Written as [[ingestion.access]]. Documents outside these folders are readable by everyone (docs/access.md)."""

    chunk_words: int = Field(140, ge=20, le=180)
    """Words a chunk aims at and a passage holds at most. A chunk of rare words ends earlier, at 208 of the packaged embedder's
    word pieces."""
    near_duplicate_threshold: float = Field(0.6, gt=0, le=1)
    """Jaccard similarity of word 5-grams from which two documents count as near-duplicates. Higher finds fewer, and what is
    not found can leak from training into validation: editions of one notice for two regions measure 0.67."""
    max_file_mb: int = Field(100, ge=1, le=100_000)
    """Larger files are reported and left out, before anything of them is read."""
    max_pages: int = Field(5000, ge=1, le=1_000_000)
    """Longer PDFs are reported and left out."""
    max_read_s: float = Field(60, gt=0, le=86_400)
    """Seconds that reading one file may take, beside 10 s for each MB of it. A file that takes longer is reported."""
    max_read_memory_mb: int = Field(2000, ge=500)
    """Memory that reading one file may take, beside 20 times its size. A file that takes more is reported."""
    allow_private_urls: bool = False
    """Whether `doyen ingest URL` may read from this machine and from private networks, such as an intranet. A page, a redirect
    or a sitemap could otherwise lead to servers that only this machine reaches. Those of cloud metadata are always refused."""
    url_delay_s: float = Field(1.0, ge=0, le=60)
    """Seconds between two requests to one web server; its robots.txt may ask for more."""
    max_urls: int = Field(2000, ge=1, le=50_000)
    """Pages of a sitemap that are fetched."""
    ocr: Literal["auto", "off"] = "auto"
    """auto recognises the text of pictured PDF pages where Tesseract is installed (Debian: tesseract-ocr), and reports them
    where it is not; off only reports them."""
    ocr_languages: str = Field("eng", pattern=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$")
    """Tesseract's names of the languages, joined by "+", such as "deu+eng"; each has a package, such as tesseract-ocr-deu."""
    max_ocr_s: float = Field(600, gt=0, le=86_400)
    """Seconds that recognising the pages of one file may take, about two a page; the pages that are left are reported."""
    max_removed_share: float = Field(0.2, ge=0, le=1)
    """When more than this share of a folder's documents is missing at once, they are kept and the run says so: the folder may
    just not be mounted. `doyen ingest --allow-removals` removes them. 1 never asks."""


class RetrievalSettings(Section):
    """How passages are found."""

    embedder: Name = "all-minilm-l6-v2"
    """Packaged embedder, local folder or hub id of a sentence-transformers model. Changing it re-embeds everything."""
    embedder_dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """bfloat16 embeds faster at a cosine above 0.996 to float32; auto takes it where the processor clearly gains from
    it, which is decided when a workspace is first indexed. Naming the other one re-embeds everything."""
    chroma_url: Annotated[HttpUrl | None, Unset] = None
    """None embeds Chroma in the process; http://host:port uses a Chroma server."""
    top_k: int = Field(5, ge=1, le=MAX_PASSAGES)
    """Passages returned when a caller names no number."""
    retriever: Annotated[str, _registered(RETRIEVER_GROUP, RETRIEVERS)] = "hybrid"
    """hybrid finds passages by words and by meaning, lexical by words alone, dense by meaning alone; packages may add others
    (docs/retrieval.md)."""
    reranker: Annotated[str, _registered(RERANKER_GROUP, RERANKERS)] = "reader"
    """reader puts the passages that are read in the reader's order, unless that was measured to be worse when it was trained;
    none leaves them in the retriever's; packages may add others (docs/retrieval.md)."""


Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class DatasetSettings(Section):
    """How labelled pairs become a dataset: each value is part of its id where it is not the default (docs/datasets.md)."""

    split: Literal["document", "group", "time"] = "document"
    """document keeps the pairs of a document in one part, group those of a labelling group only, time puts the newest pairs
    (`created_at`) into test and validation. Near-duplicate prompts always stay together."""
    stratify: Literal["answerable", "label"] = "answerable"
    """What every part holds in proportion: answers and refusals, or the labels of a classification."""
    validation_share: float = Field(0.1, ge=0, le=0.5)
    """Of the pairs: by it a training chooses its best state."""
    test_share: float = Field(0.0, ge=0, le=0.5)
    """Of the pairs, kept from training and its choices. 0 leaves testing to frozen questions, which no dataset holds."""
    min_words: int = Field(0, ge=0)
    """Pairs with a shorter prompt are left out."""
    max_words: Annotated[int | None, Unset] = Field(None, ge=1)
    """Pairs with a longer prompt or response are left out."""
    languages: Annotated[tuple[Language, ...], NoDecode, BeforeValidator(_split)] = ()
    """Two-letter codes such as "en": pairs that are surely in another language are left out. None keeps all."""
    near_duplicates: Literal["keep", "drop"] = "keep"
    """drop keeps one of several near-duplicate prompts with the same response; keep holds them in one part."""
    boilerplate: Literal["keep", "drop", "strip"] = "keep"
    """What to do with lines that many prompts share, such as greetings and signatures: leave out pairs that are nothing else,
    or strip the lines as well."""
    missing_response: Literal["fail", "drop", "refuse"] = "fail"
    """Rows of a file without a response: fail, leave them out, or teach that the documents do not say."""
    missing_source: Literal["keep", "drop"] = "keep"
    """Answerable pairs that name no document."""
    missing_evidence: Literal["keep", "drop", "response"] = "keep"
    """Answerable pairs with a document but no quote: response takes the response as the quote where it stands there."""
    missing_date: Literal["oldest", "drop", "fail"] = "oldest"
    """Pairs without `created_at` in a split by time: oldest puts them into training."""
    personal_data: Literal["keep", "mask"] = "keep"
    """mask replaces e-mail addresses, telephone numbers and the like by their kind (`pip install 'doyen[label]'`)."""
    balance: Annotated[float | None, Unset] = Field(None, ge=1)
    """Largest class of the training part at most so many times its smallest: pairs beyond are left out, drawn by the seed."""
    replay_share: float = Field(0.2, gt=0, lt=1)
    """Of the training part, general pairs that are mixed in where a file of them is given."""
    paraphrases: Literal["refuse", "resolve"] = "refuse"
    """What to do about the same question in other words in two parts: refuse to build and show them, or hold them together and
    leave out those of frozen questions."""


class FinetuneSettings(Section):
    """How adapters are trained."""

    rank: int = Field(16, ge=1, le=256)
    """LoRA rank: more holds more facts, and costs memory and time."""
    alpha: int = Field(32, ge=1, le=4096)
    """LoRA scale numerator; the update is multiplied by alpha / rank, with method = "rslora" by alpha / √rank."""
    method: Literal["lora", "rslora", "dora"] = "lora"
    """rslora keeps the update's size at high ranks (take alpha = 8 with rank 16 for the same scale). dora learns lengths and
    directions of weights apart and is slower; llama.cpp cannot serve it."""
    b_rate_ratio: float = Field(1.0, ge=1, le=1000)
    """Learning rate of the adapter's B matrices over that of A (LoRA+): its paper advises 16 with a lower learning_rate."""
    quantised_base: bool = False
    """Keep the base model in four bits while training (QLoRA): a third of the memory. Needs a CUDA GPU and bitsandbytes."""
    gradient_checkpointing: bool = False
    """Compute activations again on the way back instead of keeping them: much less memory, about a third more time."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Of the adapter's inputs. On a processor drawing the random numbers makes a step a third slower."""
    learning_rate: float = Field(5e-4, gt=0, le=1)
    epochs: float = Field(2.0, gt=0, le=1000)
    """Passes over the pairs; with patience, the most there may be."""
    patience: int = Field(0, ge=0, le=10_000)
    """Training ends when so many validations in a row were no better than the best, whose weights are kept. 0 trains all
    epochs and keeps the last weights."""
    evaluation_steps: int = Field(10, ge=1, le=1_000_000)
    """Steps between validations, with patience; each is a checkpoint too."""
    batch_size: int = Field(8, ge=1, le=4096)
    """Examples of a step. Their gradients are accumulated row by row: more examples cost time, not memory."""
    max_tokens: int = Field(1024, ge=64, le=1_000_000)
    """Prompt plus response tokens of a training example; passages are dropped from the end until an example fits."""
    context_passages: int = Field(3, ge=1, le=10)
    """Passages in a RAFT-style training example; keep it equal to serving.context_passages."""
    raft_shares: Annotated[tuple[Share, Share, Share], NoDecode, BeforeValidator(_split)] = (0.8, 0.0, 0.2)
    """Shares of RAFT-style examples: gold passage among distractors, gold passage missing, no passages at all. Refusing is the
    reader's: a share of missing ones teaches a small model to refuse what it could answer (docs/experiments.md)."""
    prefix_gradients: bool = True
    """Whether gradients also flow through the passages that examples share. Without them a step takes about half the time,
    but the adapter does not learn to read passages better."""
    reader_epochs: int = Field(2, ge=1, le=1000)
    """Of a reader, over the pairs' passages."""
    reader_learning_rate: float = Field(1e-4, gt=0, le=1)
    embedder_epochs: int = Field(2, ge=1, le=1000)
    """Of an embedder, over the pairs' questions and the headings."""
    embedder_learning_rate: float = Field(5e-5, gt=0, le=1)
    head_base: Literal["embedder", "generator"] = "embedder"
    """What heads are trained on (docs/heads.md): the encoder that embeds passages, or the slower generator."""
    head_epochs: int = Field(4, ge=1, le=1000)
    """Of a head, over the labelled texts."""
    head_learning_rate: float = Field(1e-3, gt=0, le=1)
    start_from: Annotated[Name | None, Unset] = None
    """The adapter that training goes on from, with its rank: "name" or "name:version", "general" for the general reading
    adapter of the base model, "none" for a fresh one. None takes the general one where there is one."""
    variant_share: Share = 1.0
    """Share of a dataset's variants (`doyen dataset augment`) that a pass over the pairs takes: a variant then weighs so much
    against a pair. 0 leaves them out."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: Seed = 17
    checkpoint_steps: int = Field(25, ge=1, le=1_000_000)
    """Steps between checkpoints: fewer lose less work when stopped, more spend less time on writing."""
    replay: Annotated[Name | None, Unset] = None
    """General pairs that are mixed into each pass, so that less is forgotten: "general" for the 60 that come with Doyen, or a
    pairs.jsonl. Those of `doyen dataset build --replay` are in the dataset and are taken without this."""
    replay_share: float = Field(0.1, ge=0, le=0.9)
    """Their share of a pass's examples."""
    ewc: float = Field(0.0, ge=0, le=1e9)
    """Weight of a penalty on changes that general answers depend on (elastic weight consolidation): 1 weighs what the general
    loss is expected to grow by as much as the loss on the pairs; 0 leaves it out."""
    forgetting_probe: bool = True
    """Probe general abilities before and after each training: seconds, and promotion asks for it (eval.gate.max_forgetting)."""
    tracker: Literal["none", "tensorboard", "mlflow"] = "none"
    """Also tell losses to TensorBoard (files below .doyen/tensorboard) or MLflow (MLFLOW_TRACKING_URI says where it is)."""

    @model_validator(mode="after")
    def _together(self) -> FinetuneSettings:
        if self.gradient_checkpointing and not self.prefix_gradients:
            raise ValueError(
                "gradient_checkpointing is of no use with prefix_gradients = false, which already keeps little: set one of them"
            )
        if self.ewc and self.method == "dora":
            raise ValueError(
                'ewc weighs the product of LoRA\'s matrices, and DoRA changes more: set ewc = 0 or method = "lora"'
            )
        return self

    @field_validator("raft_shares")
    @classmethod
    def _shares(cls, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        if abs(sum(shares) - 1) > SHARES_TOLERANCE:
            raise ValueError(f"the three shares must sum to 1, not to {sum(shares):g}")
        if not shares[0] and shares[1]:
            raise ValueError(
                "without examples that have their gold passage (the first share) none can have it missing (the second)"
            )
        return shares


KeyName = Annotated[str, Field(pattern=r"^[\w.@-]+$", max_length=100)]


class KeySettings(Section):
    """A key of the gateway, as `doyen keys add` writes it."""

    name: KeyName
    """Of the person or application that has the key; the chat's user name."""
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the key in hexadecimal; the key itself is stored nowhere."""
    groups: tuple[Group, ...] = ()
    """Documents of these groups are readable, and those without groups."""
    admin: bool = False
    """Reads everything, and may change documents, their groups and the promoted adapters."""
    adapters: bool = False
    """May ask the modes with an adapter: it can repeat what it was trained on, whatever groups that had."""
    labels: bool = False
    """May label in projects: their tasks show texts of documents, whatever groups these have."""


class ServingSettings(Section):
    """Which model answers, and how."""

    model: Name = "smollm2-135m-instruct"
    """Packaged generator, local folder or hub id (safetensors or GGUF); with engine = "openai", that server's name for it."""
    engine: Annotated[str, _registered(ENGINE_GROUP, ENGINES)] = "llamacpp"
    """llamacpp is the fastest on a processor, transformers is the reference, openai is any compatible server; packages may
    add others (docs/engines.md)."""
    openai_url: Annotated[HttpUrl | None, Unset] = None
    """Base URL ending in /v1 of an OpenAI-compatible server; needed by engine = "openai"."""
    openai_api_key: SecretStr = SecretStr("")
    """Better given as DOYEN_SERVING__OPENAI_API_KEY than written into the file."""
    context_passages: int = Field(3, ge=1, le=10)
    """Passages that the model is shown. More hold the answer more often and cost first-token time."""
    reader: Annotated[Name | None, Unset] = None
    """Which reader finds the answer in the passages: "name" or "name:version" of a trained one, "general" for the one that
    comes with Doyen, "none" for no reading. None takes the promoted one, else the newest, else the general one."""
    reader_adapter: Annotated[Name | None, Unset] = None
    """The general reading adapter of mode "rag-reading": "name" or "name:version", "general" for the one of the base model,
    "none" for no such mode. None takes the general one where there is one."""
    read_passages: int = Field(8, ge=1, le=MAX_PASSAGES)
    """Passages that are read. More hold the answer more often; each costs about 30 ms on two cores."""
    risk: float = Field(0.1, ge=0, le=1)
    """Share of answered questions that the documents may not answer after all: less refuses more. 1 never refuses."""
    sure: float = Field(0.7, ge=0, le=1)
    """Probability of being what was asked from which an answer found in the passages is shown without the mark "unsure". More
    marks more right answers and lets fewer wrong ones pass; 0 marks none."""
    max_tokens: int = Field(128, ge=1, le=4096)
    """Longest answer, in tokens."""
    temperature: float = Field(0.0, ge=0, le=2)
    """0 always gives the same answer to the same question."""
    max_question_chars: int = Field(8000, ge=100, le=10_000_000)
    """Longer questions are refused with an explanation."""
    host: Name = "127.0.0.1"
    """Address the gateway binds to. Anything but loopback opens it to the network: set api_key as well."""
    port: int = Field(8321, ge=0, le=65535)
    api_key: SecretStr = SecretStr("")
    """When set, every /v1 request needs `Authorization: Bearer …`. This key reads and changes everything."""
    keys: Annotated[tuple[KeySettings, ...], AfterValidator(_check_keys), NoDecode, BeforeValidator(_read_json)] = ()
    """Written as [[serving.keys]] by `doyen keys add`. Any key closes the gateway to requests without one."""
    max_upload_mb: int = Field(50, ge=1, le=100_000)
    """Larger uploads are refused while they come in."""
    max_concurrent: int = Field(2, ge=1, le=256)
    """Answers that are generated at the same time; more share the processor and each takes longer."""
    max_waiting: int = Field(16, ge=0, le=100_000)
    """Requests that may wait for their turn; the next ones are told to come back later (429 with Retry-After)."""
    request_timeout_s: float = Field(300, gt=0, le=86_400)
    """Longest time for one answer, waiting included; then it is stopped with an error."""


_MODE = "|".join(MODES)
GATE_RULE = (
    rf"^(?P<mode>{_MODE}) (?P<metric>\w+) "
    rf"(?:(?P<side>>=|<=) (?P<bound>\d*\.?\d+)(?: on (?P<tag>\S+))?|> (?P<other>{_MODE})(?P<optional>, if evaluated)?)$"
)
Rules = Annotated[
    tuple[Annotated[str, Field(pattern=GATE_RULE)], ...], Field(min_length=1), NoDecode, BeforeValidator(_split_rules)
]


WatchedMetric = Literal[
    "token_f1",
    "exact_match",
    "key_facts",
    "rouge_l",
    "string_presence",
    "semantic_similarity",
    "refusal_accuracy",
    "over_refusal",
    "citation_precision",
    "citation_recall",
    "number_not_found",
    "sentences_supported",
    "context_precision",
    "context_recall",
    "judge_faithfulness",
    "judge_answer_relevancy",
    "judge_context_precision",
    "judge_context_recall",
]
"""The metrics of a report, as ``doyen.eval.metrics.INFO`` describes them."""


class GateSettings(Section):
    """What a report must show before its adapter is promoted."""

    rules: Rules = (
        "hybrid token_f1 > rag",
        "hybrid token_f1 > rag-short, if evaluated",
        "hybrid refusal_accuracy >= 0.8",
        "hybrid over_refusal <= 0.1",
    )
    """`MODE METRIC > MODE`, with `, if evaluated` where the other mode may be missing: the first is better, p < 0.05.
    `MODE METRIC >= BOUND` or `<= BOUND`, perhaps `on TAG`: the whole 95% interval lies on that side. In a variable, rules are
    separated by semicolons."""
    reader_rules: Rules = ("extract token_f1 > rag", "extract token_f1 > rag-short, if evaluated")
    """The same for a reader, by a report that was made with it: they compare modes, not this reader with another."""
    max_forgetting: Annotated[float | None, Field(ge=0, le=1), Unset] = 0.05
    """How much an adapter's training may have lost of general answers: a probe that shows more, p < 0.05, closes the gate.
    Nothing ("") asks for no probe."""
    max_perplexity_rise: Annotated[float | None, Field(ge=0, le=100), Unset] = 0.1
    """The same for the perplexity of general texts: by which share it may have risen."""
    watched: Annotated[tuple[WatchedMetric, ...], Field(min_length=1), NoDecode, BeforeValidator(_split)] = (
        "token_f1",
        "key_facts",
        "refusal_accuracy",
        "over_refusal",
        "citation_recall",
    )
    """Metrics in which `doyen eval gate REPORT --against EARLIER` looks for losses. Each more of them lets smaller losses pass,
    because p is corrected for how many are looked at."""


class EvalSettings(Section):
    """How modes are compared."""

    seed: Seed = 17
    bootstrap_samples: int = Field(2000, ge=200, le=1_000_000)
    """Resamples behind each interval and p: more make their ends steadier and cost time."""
    cluster_by_source: bool = False
    """Draw whole documents instead of single questions: wider, more honest intervals where many questions share a document."""
    judge_url: Annotated[HttpUrl | None, Unset] = None
    """Base URL of an OpenAI-compatible judge for RAGAS' judged metrics; None leaves them out."""
    judge_model: str = ""
    judge_api_key: SecretStr = SecretStr("")
    gate: GateSettings = GateSettings()


class AnnotationSettings(Section):
    """Where labels are made."""

    label_studio_url: Annotated[HttpUrl | None, Unset] = None
    """None exchanges tasks and labels through files in the workspace's annotation folder."""
    label_studio_api_key: SecretStr = SecretStr("")
    """A personal access token; better given as DOYEN_ANNOTATION__LABEL_STUDIO_API_KEY."""
    webhook_secret: SecretStr = SecretStr("")
    """What Label Studio must show to the gateway, for hints that labels changed and for asking drafts. Empty closes both;
    better given as DOYEN_ANNOTATION__WEBHOOK_SECRET."""


class WeakSettings(Section):
    """How the votes of labelling functions become labels (docs/weak-supervision.md)."""

    threshold: Share = 0.7
    """Probability from which a label is proposed; below it the text waits for a person. Higher proposes fewer."""
    balance: Literal["equal", "known"] = "equal"
    """Shares of the classes that the label model expects: all alike, or as among the labels that are known. Of several classes
    a text, those that are known are always taken."""
    epochs: int = Field(1000, ge=1, le=1_000_000)
    """Steps in which the label model is fitted; after few of them its figures still depend on the seed (Snorkel takes 100)."""
    learning_rate: float = Field(0.01, gt=0, le=1)
    """Of the label model."""
    seed: Seed = 17


class ActiveSettings(Section):
    """Which texts are labelled next, and when to stop (docs/active-learning.md)."""

    strategy: Annotated[str | None, Unset] = None
    """None takes diverse-uncertainty where a model can be trained on the labels, else facility-location."""
    learner: Literal["auto", "linear", "head"] = "auto"
    """What says how sure it is of a text: a small model trained on the labels so far, or the project's head (docs/heads.md),
    which auto takes where one is in production. "head" takes the newest, too."""
    batch: int = Field(100, ge=1, le=100_000)
    """Texts of a round. Smaller ones follow the model more closely, and cost more rounds."""
    test_share: float = Field(0.2, ge=0, le=0.9)
    """Share of the texts, and of a round, that is set aside to measure with. No choice ever looks at them."""
    test_texts: int = Field(300, ge=0, le=1_000_000)
    """Labelled test texts from which on rounds hold no more of them: more make the intervals narrower."""
    pool: int = Field(20_000, ge=100, le=10_000_000)
    """Open texts that are looked at, drawn at random; of entities a tenth, whose words are embedded each time."""
    target: float = Field(0.9, gt=0, le=1)
    """Score (accuracy, or F1 of entities and several classes) to which the labels still needed are estimated."""
    min_gain: float = Field(0.005, ge=0, le=1)
    """Score that another round must promise; below it the advice is to stop."""
    seconds_per_text: float = Field(5.0, ge=0, le=86_400)
    """What a label costs, however short the text: cost-aware choice weighs it against the words."""
    seconds_per_word: float = Field(0.3, ge=0, le=3600)
    """What each word of a text adds; 0.3 is reading at 200 words a minute."""
    seed: Seed = 17


class LabelErrorSettings(Section):
    """How labels that may be wrong are found (docs/label-errors.md)."""

    folds: int = Field(5, ge=2, le=100)
    """Of the cross-validation: each label is judged by a model that has not seen its text."""
    share: Share = 0.15
    """Share of the labelled texts that is shown and, if wanted, sent to review: the worst."""
    seed: Seed = 17


class GeneratedSettings(Section):
    """Labels and questions that a model drafts (docs/generated-labels.md)."""

    url: Annotated[HttpUrl | None, Unset] = None
    """Base URL ending in /v1 of an OpenAI-compatible server that drafts; None takes the engine that answers."""
    model: str = ""
    """That server's name for its model."""
    api_key: SecretStr = SecretStr("")
    """Better given as DOYEN_SUPERVISION__GENERATED__API_KEY."""
    votes: int = Field(3, ge=1, le=100)
    """How often a label is drafted, or a question answered; the share that agrees is the draft's score. Each costs as much."""
    temperature: float = Field(0.7, ge=0, le=2)
    """Of the votes: with 0 all are the same, and say nothing."""
    retries: int = Field(2, ge=0, le=100)
    """How often a model is asked again for an answer that is not in the form, or not in the text."""
    max_tokens: int = Field(384, ge=16, le=100_000)
    """Longest answer."""
    two_passages: Share = 0.2
    """Share of the questions that take two passages of one document."""
    unanswerable: Share = 0.2
    """Share of the questions in which a value is exchanged, so that the document does not answer them."""
    budget: float = Field(0.0, ge=0, le=1_000_000_000)
    """Money, by [costs], that a run may spend; 0: no limit."""
    audit: int = Field(50, ge=1, le=100_000)
    """Drafts, drawn at random, that people are to judge first."""
    min_precision: Share = 0.8
    """What the 95% interval of the share of right drafts must lie above before drafts are used without people."""
    seed: Seed = 17


class SupervisionSettings(Section):
    """How labels are chosen, made and checked without a person."""

    active: ActiveSettings = ActiveSettings()
    errors: LabelErrorSettings = LabelErrorSettings()
    weak: WeakSettings = WeakSettings()
    generated: GeneratedSettings = GeneratedSettings()


Price = Annotated[float, Field(ge=0, le=1_000_000)]


class PriceSettings(Section):
    """What a model costs."""

    model: Name
    """As serving.model, eval.judge_model or supervision.generated.model name it."""
    prompt_1000: Price = 0.0
    """For 1,000 tokens that it reads."""
    completion_1000: Price = 0.0
    """For 1,000 tokens that it writes."""
    hour: Price = 0.0
    """For each hour that it works, as of a rented server."""


class CostSettings(Section):
    """Prices, from which `--estimate` tells what work costs."""

    currency: Name = "EUR"
    machine_hour: Price = 0.0
    """What an hour of this machine costs."""
    prices: Annotated[tuple[PriceSettings, ...], NoDecode, BeforeValidator(_read_json)] = ()
    """Written as [[costs.prices]], one for each model that costs something."""


class UiSettings(Section):
    """The chat in the browser."""

    title: Name = "Doyen"
    port: int = Field(7860, ge=0, le=65535)


class Settings(Section):
    """The whole configuration: one section for each room of the house."""

    name: Name = "workspace"
    """Name of the domain, shown in reports and in the chat."""
    platform: PlatformSettings = PlatformSettings()
    ingestion: IngestionSettings = IngestionSettings()
    annotation: AnnotationSettings = AnnotationSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    dataset: DatasetSettings = DatasetSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    serving: ServingSettings = ServingSettings()
    eval: EvalSettings = EvalSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    costs: CostSettings = CostSettings()
    ui: UiSettings = UiSettings()


class _Variables(Settings, BaseSettings):
    """The settings as variables name them; ``Settings`` itself never reads the environment."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", case_sensitive=False)


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read ``doyen.toml`` and lay the environment over it.

    Args:
        path: the file; it must exist.
        environment: variables to use instead of the process's own.

    Raises:
        SettingsError: with every wrong key and value at once.
    """
    variables = {name.lower(): (name, text) for name, text in (os.environ if environment is None else environment).items()}
    try:
        return Settings.model_validate(_merge(*read_layers(path, environment)))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(path), [f"it is not valid TOML: {error}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), [f"it is not UTF-8 (byte {error.start}): save it as UTF-8"]) from error
    except SourceError as error:
        raise SettingsError(str(path), [f"{error}: name a setting, as in DOYEN_SERVING__PORT=8321"]) from error
    except ValidationError as error:
        raise SettingsError(str(path), [_problem(item, variables) for item in error.errors()]) from error


def read_layers(path: Path, environment: Mapping[str, str] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what ``doyen.toml`` says and what the environment says, as nested dictionaries that nobody has checked.

    Raises:
        OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, SourceError: one of them cannot be read.
    """
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    source = EnvSettingsSource(_Variables)
    variables = os.environ if environment is None else environment
    source.env_vars = {name.lower(): text for name, text in variables.items()}
    return values, source()


def _merge(file: dict[str, Any], environment: dict[str, Any]) -> dict[str, Any]:
    """Return the file's values with the environment's over them, at any depth."""
    merged = dict(file)
    for key, value in environment.items():
        below = file.get(key)
        merged[key] = _merge(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _problem(item: Any, variables: Mapping[str, tuple[str, str]]) -> str:
    path = [str(part) for part in item["loc"]]
    named = (variables.get((ENVIRONMENT_PREFIX + "__".join(path[:depth])).lower()) for depth in range(1, len(path) + 1))
    where = next((f"{variable[0]} (environment)" for variable in named if variable), ".".join(path))
    if item["type"] == "extra_forbidden":
        return f"{where}: there is no such setting; known ones: {', '.join(_siblings(item['loc']))}"
    secret = any(word in str(part) for word in SECRET_WORDS for part in item["loc"])
    value = "" if secret else f" (found {item['input']!r})"
    return f"{where}: {item['msg'].removeprefix('Value error, ').lower()}{value}"


def _siblings(location: tuple[Any, ...]) -> list[str]:
    model: Any = Settings
    for part in location[:-1]:
        field = model.model_fields.get(part)
        model = field.annotation if field else None
        if model is None:
            return []
    return sorted(model.model_fields)
