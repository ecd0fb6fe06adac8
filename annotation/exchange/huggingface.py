"""Hugging Face datasets: a folder that ``datasets.load_dataset`` opens offline, and what it or ``save_to_disk`` wrote.

Written as Parquet with the features in its schema, labels as ``ClassLabel``. Read from Parquet, Arrow or JSONL files, one
or a folder of them; columns of usual names are known, others go into ``meta``. Rows are read in batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from doyen.annotation.exchange import columns
from doyen.annotation.exchange.conll import entities_of_tags, joined
from doyen.annotation.exchange.record_files import Losses, RecordFile, Row, json_line, json_lines
from doyen.annotation.type_table import label_type
from doyen.annotation.types.typed_labels import Classes, Entities, LabelError, LabelledText, PromptResponse, Region, Tags
from doyen.core.errors import InputError
from doyen.core.files import new_folder, write_text_atomic

EXPECTED = "rows with the columns text and label, text and entities, tokens and tags, or prompt and response"
BATCH = 500
DATA = Path("data") / "train-00000-of-00001.parquet"
MARK = "Labels written by `doyen annotate export`."
TAGS: dict[type, tuple[str, ...]] = {Entities: ("ner_tags", "tags", "labels"), Tags: ("pos_tags", "upos", "pos", "tags")}
SUFFIXES = (".parquet", ".arrow", ".jsonl")


def write(labels: Iterator[LabelledText], path: Path, losses: Losses) -> None:
    """Write a folder; an earlier export in its place is replaced, any other folder is left alone.

    Raises:
        InputError: the path is something else already.
    """
    _require_free(path)
    with new_folder(path) as folder:
        spool = folder / "rows.jsonl"
        known: dict[str, int] = {}
        single, count = True, 0
        with spool.open("wb") as stream:
            for item in labels:
                row = _row(item, known, losses)
                single = single and len(row.get("labels", ())) == 1
                count += 1
                stream.write(json_line(row))
        if count:
            (folder / DATA).parent.mkdir()
            _write_parquet(spool, folder / DATA, list(known), single)
        spool.unlink()
        write_text_atomic(folder / "README.md", f"{MARK}\n\nOpen it with `datasets.load_dataset(folder)`: {count} rows.\n")


def _row(item: LabelledText, known: dict[str, int], losses: Losses) -> Row:
    """Return the columns of a label; class names get the next free number in ``known``."""

    def number(name: str) -> int:
        return known.setdefault(name, len(known))

    own = {**columns.own_fields(item), "meta": json.dumps(dict(item.meta), ensure_ascii=False)}
    match item.label:
        case PromptResponse():
            more = columns.details(item.label)
            more["overrides"] = json.dumps(more["overrides"]) if more["overrides"] is not None else None
            return {"prompt": item.label.prompt, "response": item.label.response, "passage": item.text, **more, **own}
        case Classes():
            return {"text": item.text, "labels": [number(name) for name in item.label.labels], **own}
        case Tags(regions=marked):
            forms = [item.text[token.start : token.end] for token in marked]
            starts, tags = [token.start for token in marked], [number(token.label) for token in marked]
            return {"text": item.text, "tokens": forms, "pos_tags": tags, "starts": starts, **own}
    regions, relations = columns.stretches(item.label, losses)
    entities = [{"start": r.start, "end": r.end, "label": number(r.label)} for r in regions]
    links = [{"head": int(link.head), "tail": int(link.tail), "label": link.label} for link in relations]
    return {"text": item.text, "entities": entities, "relations": links, **own}


def _write_parquet(spool: Path, path: Path, class_names: list[str], single: bool) -> None:
    """Turn the spooled rows into Parquet; ``single``: each text has one class, so the column is ``label``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with spool.open("rb") as lines:
        first = json.loads(lines.readline())
        schema = _features(first, class_names, single).arrow_schema
        lines.seek(0)
        with pq.ParquetWriter(path, schema) as writer:
            while batch := [json.loads(line) for line in islice(lines, BATCH)]:
                if single and "labels" in first:
                    batch = [{**row, "label": row["labels"][0]} for row in batch]
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _features(row: Row, class_names: list[str], single: bool) -> Any:
    """Return the features of a row's columns, in their order."""
    from datasets import ClassLabel, Features, List, Value

    text, whole = Value("string"), Value("int64")
    classes = ClassLabel(names=class_names) if class_names else text
    known = {
        "labels": classes if single else List(classes),
        "tokens": List(text),
        "pos_tags": List(classes),
        "starts": List(whole),
        "entities": List({"start": whole, "end": whole, "label": classes}),
        "relations": List({"head": whole, "tail": whole, "label": text}),
        "evidence": List(List(whole)),
        "quotes": List(text),
        "rating": whole,
    }
    return Features({"label" if name == "labels" and single else name: known.get(name, text) for name in row})


def _require_free(path: Path) -> None:
    readme = path / "README.md"
    ours = readme.is_file() and readme.read_text(encoding="utf-8", errors="replace").startswith(MARK)
    if path.exists() and not ours and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} exists and is no earlier export: name a new folder")


def _files(path: Path) -> list[Path]:
    """Return the data files in their order. Raises InputError where there is none."""
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    found = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    files = [file for file in found if file.suffix in SUFFIXES and not file.name.startswith("cache-")]
    if not files:
        raise InputError(f"{path} holds no {', '.join(SUFFIXES)} file: name a saved dataset or one of its files")
    return files


def _split(root: Path, file: Path) -> str:
    """Return the split that a file belongs to: its folder in a saved DatasetDict, else the start of its name."""
    if file.suffix == ".arrow" and file.parent != root:
        return file.parent.name
    return file.stem.split("-")[0]


def rows(file: RecordFile) -> Iterator[tuple[int, Row]]:
    """Yield (number from 1, row) of all splits; with several, ``split`` names each row's. The path may be a single file."""
    root, file.unit = file.path, "row"
    splits = {path: _split(root, path) for path in _files(root)}
    several = len(set(splits.values())) > 1
    for path, split in splits.items():
        file.path = path
        found = json_lines(file) if path.suffix == ".jsonl" else _decoded_rows(path)
        yield from ((number, row | {"split": split} if several else row) for number, row in found)


def _decoded_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield (number from 1, row) with class names instead of their numbers."""
    from datasets import Features, Value

    schema, batches = _open_arrow(path)
    features = Features.from_arrow_schema(schema)
    coded = {name: part for name, part in features.items() if not isinstance(getattr(part, "feature", part), Value)}
    for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), start=1):
        yield number, row | {name: _decoded(part, row[name]) for name, part in coded.items()}


def _open_arrow(file: Path) -> tuple[Any, Iterator[Any]]:
    """Return the schema and the record batches of a Parquet or Arrow file. Raises InputError for a broken one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if file.suffix == ".parquet":
            table = pq.ParquetFile(file)
            return table.schema_arrow, table.iter_batches(batch_size=BATCH)
        stream = pa.ipc.open_stream(pa.memory_map(str(file)))
        return stream.schema, iter(stream)
    except pa.ArrowInvalid as error:
        raise InputError(f"{file} is no {file.suffix[1:]} file ({error}): write it again") from error


def _decoded(feature: Any, value: Any) -> Any:
    """Return a value with class names instead of numbers; a column of records kept as record of columns is turned."""
    if value is None:
        return None
    if hasattr(feature, "names"):  # a ClassLabel
        return feature.names[value] if 0 <= value < len(feature.names) else None
    if isinstance(feature, dict):
        fields = {name: _decoded(feature[name], part) for name, part in value.items()}
        if fields and all(isinstance(part, list) for part in fields.values()):
            return [dict(zip(fields, entry, strict=True)) for entry in zip(*fields.values(), strict=True)]
        return fields
    inner = getattr(feature, "feature", None)
    return [_decoded(inner, part) for part in value] if inner is not None and isinstance(value, list) else value


def read_row(row: Row, kind: str, losses: Losses) -> Iterator[LabelledText]:
    """Yield the label of a row. Raises LabelError."""
    row = columns.own_values(row)
    if label_type(kind) is PromptResponse or kind in columns.CLASS_KINDS:
        yield from columns.read_text_row(row, kind, losses)
    elif columns.given(row, ["entities"]):
        text = columns.column_of(row, columns.TEXTS)
        regions = columns.regions_of(row["entities"], "entities")
        relations = columns.relations_of(row.get("relations"), "head", "tail", "label")
        label = columns.span_label(kind, regions, relations, losses)
        yield columns.labelled(row, columns.string(row, text), label, (text, "entities", "relations"))
    elif columns.given(row, ["tokens"]):
        yield _read_tokens(row, kind)
    else:
        raise LabelError([f"it has neither 'entities' nor 'tokens'; its columns are {', '.join(row)}"])


def _read_tokens(row: Row, kind: str) -> LabelledText:
    """Read tokens and their tags; without a text and the places of the tokens, they are joined by blanks."""
    forms = columns.names(row["tokens"], "tokens")
    column = columns.column_of(row, TAGS.get(label_type(kind), ()))
    tags = columns.names(row[column], column)
    text, places = joined(forms)
    if isinstance(row.get("text"), str) and row.get("starts") is not None:
        text, starts = row["text"], row["starts"]
        if len(starts) != len(forms):
            raise LabelError([f"{len(forms)} tokens and {len(starts)} places do not belong together"])
        places = [(start, start + len(form)) for start, form in zip(starts, forms, strict=True)]
    if len(tags) != len(forms):
        raise LabelError([f"{len(forms)} tokens and {len(tags)} tags do not belong together"])
    if any(text[start:end] != form for (start, end), form in zip(places, forms, strict=True)):
        raise LabelError(["the tokens are not where 'starts' says"])
    used = ("text", "tokens", "starts", column)
    if label_type(kind) is Tags:
        tokens = (Region(str(n), *place, tag) for n, (place, tag) in enumerate(zip(places, tags, strict=True)))
        return columns.labelled(row, text, Tags(tuple(tokens)), used)
    return columns.labelled(row, text, Entities(tuple(entities_of_tags(places, tags))), used)
