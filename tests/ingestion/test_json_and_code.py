"""JSON as key paths and tables; source code kept as it is and cut at its functions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.chunk import chunk_document
from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.ingest import ingest
from doyen.ingestion.readers import CODE_EXTENSIONS, FORMATS, read_document
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.word_pieces import open_counter

LIMITS = Limits(10_000_000, 40_000_000, 100)


def lines(value: object) -> list[str]:
    return read_document(json.dumps(value).encode(), "a.json", LIMITS).text.split("\n")


def test_values_stand_beside_their_key_path_and_numbers_stay_as_written():
    data = b'{"name": "P-7", "flow": 1.10, "tags": ["a","b"],"net": {"host": "x", "tls": {"port": 443, "on": true, "k": null}}}'
    document = read_document(data, "pump.json", LIMITS)
    text = ["name: P-7", "flow: 1.10", "tags: a, b", "", "net", "", "net.host: x", "", "net.tls.port: 443", "net.tls.on: true"]
    assert document.text.split("\n") == text
    assert (document.title, document.media_type) == ("P-7", "application/json")
    assert [document.text[b.start : b.end] for b in document.blocks if b.kind == "heading"] == ["net"]


def test_a_list_of_objects_is_a_table_with_its_keys():
    parts = [{"id": "A-1", "price": {"eur": 12.5}, "fits": ["P-7", "P-8"]}, {"id": "A-2", "price": {"eur": 3}, "fits": []}]
    rows = ["id: A-1 | price.eur: 12.5 | fits: P-7, P-8", "id: A-2 | price.eur: 3"]
    assert lines({"parts": parts}) == ["parts", "", *rows]
    assert lines(parts) == rows


def test_lists_within_lists_have_numbers_in_their_path():
    assert lines({"steps": [{"n": 1, "notes": [{"by": "ann", "more": [{"x": 1}]}]}, 7]})[2:6] == [
        "steps[0].n: 1",
        "",
        "steps[0].notes",
        "",
    ]


def test_records_with_long_texts_are_read_as_in_jsonl():
    record = {"title": "Sealing", "text": "Close the valve and wait. " * 20, "rev": "C"}
    document = read_document(json.dumps([record]).encode(), "a.json", LIMITS)
    assert [block.kind for block in document.blocks] == ["heading", "paragraph", "table_row"]


def test_one_value_a_line_is_jsonl_under_another_name():
    assert read_document(b'{"a": "x"}\n{"a": "y"}\n', "a.json", LIMITS).text == "a: x\n\na: y"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1,}', "not valid JSON .*line 1"),
        (b'{"a": ', "not valid JSON"),
        (b"[" * 200_000, "nested more than 100 deep"),
        (b'{"a":' * 150 + b"1" + b"}" * 150, "nested more than 100 deep"),
        (b'[{"a":' * 90 + b"1" + b"}]" * 90, "nested more than 100 deep"),
        (b"\x00\x01\x02\x03" * 200, "binary"),
        (b"{}", "no text was found"),
    ],
)
def test_bad_json_has_its_reason(data, reason):
    with pytest.raises(UnreadableDocument, match=reason):
        read_document(data, "a.json", LIMITS)


def test_long_key_paths_cannot_repeat_without_end():
    data = json.dumps({"k" * 10_000: {f"{number}": number for number in range(2_000)}}).encode()
    with pytest.raises(UnreadableDocument, match=r"characters"):
        read_document(data, "a.json", LIMITS)


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def check_blocks(document: ParsedDocument) -> None:
    """Check that blocks follow one another, begin and end with text, and leave only blanks out."""
    position = 0
    for block in document.blocks:
        assert not document.text[position : block.start].strip()
        assert document.text[block.start : block.end].strip() == document.text[block.start : block.end] != ""
        position = block.end
    assert not document.text[position:].strip()


@given(values)
def test_any_json_is_read_and_its_blocks_cover_the_text(value):
    try:
        document = read_document(json.dumps(value).encode(), "a.json", LIMITS)
    except UnreadableDocument:
        return
    check_blocks(document)


PYTHON = '''"""Pumps."""
import math


class Pump:
    """A pump."""

    # Starts it,
    # slowly.
    @staticmethod
    def start(
        flow: float,
    ) -> float:
        if flow:
\t\treturn math.sqrt(flow)   # no change

    async def stop(self): ...


def main() -> None:
    Pump.start(2.4)
'''
JAVA = """package plant;

/** A pump. */
@Service
public class Pump<T> extends Base {
    private final int flow = 2;

    @Override
    public Map<String, Integer> start(Map<String, Integer> a) throws Fault {
        if (a == null) {
            return compute(a);
        }
    }
}
"""
GO = "package plant\n\n// Ends it.\nfunc (p *Pump) Stop(x int) error {\n\treturn nil\n}\n\ntype Pump struct {\n\tflow int\n}\n"
SQL = "-- Parts.\ncreate table parts (id text);\n\nselect 1;\nCREATE OR REPLACE VIEW v AS SELECT 1;\n"
RUST = "#[derive(Debug)]\npub struct Pump {\n}\n\nimpl<T> Pump {\n    pub(crate) async fn start(&self) {}\n}\n"
TOML = '[project]\nname = "x"\n\n[[tool.a]]\nb = 1\n'
DEFINED = {
    "pump.py": (
        PYTHON,
        [(1, "class Pump:"), (2, "    def start("), (2, "async def stop(self): ..."), (1, "def main() -> None:")],
    ),
    "Pump.java": (
        JAVA,
        [
            (1, "public class Pump<T> extends Base {"),
            (2, "    public Map<String, Integer> start(Map<String, Integer> a) throws Fault {"),
        ],
    ),
    "pump.go": (GO, [(1, "func (p *Pump) Stop(x int) error {"), (1, "type Pump struct {")]),
    "parts.sql": (SQL, [(1, "create table parts (id text);"), (1, "CREATE OR REPLACE VIEW v AS SELECT 1;")]),
    "pump.rs": (RUST, [(1, "pub struct Pump {"), (1, "impl<T> Pump {"), (2, "pub(crate) async fn start(&self) {}")]),
    "a.toml": (TOML, [(1, "[project]"), (1, "[[tool.a]]")]),
}


@pytest.mark.parametrize("name", DEFINED)
def test_code_is_kept_as_it_is_and_its_definitions_are_headings(name):
    code, expected = DEFINED[name]
    document = read_document(code.encode(), name, LIMITS)
    assert document.text == code
    assert (document.title, document.media_type) == (name, "text/x-source")
    headings = [(b.level, document.text[b.start : b.end].split("\n")[-1]) for b in document.blocks if b.kind == "heading"]
    assert headings == expected


def test_comments_and_decorators_belong_to_the_function_below_them():
    document = read_document(PYTHON.encode(), "pump.py", LIMITS)
    start = next(b for b in document.blocks if "start" in document.text[b.start : b.end])
    assert document.text[start.start : start.end] == "# Starts it,\n    # slowly.\n    @staticmethod\n    def start("


def test_code_is_cut_between_functions_and_a_chunk_names_its_class(workspace):
    body = "\n".join(f"        self.values[{number}] = math.sqrt(flow * {number}.5) + offset" for number in range(9))
    code = "class Pump:\n" + "\n\n".join(
        f"    # Part {name}.\n    def {name}(self):\n{body}" for name in ("start", "stop", "hold")
    )
    document = read_document(code.encode(), "pump.py", LIMITS)
    counter = open_counter(workspace.settings.retrieval.embedder)
    chunks = chunk_document(document, chunk_words=140, counter=counter)
    assert {chunk.heading for chunk in chunks} >= {f"class Pump: > def {name}(self):" for name in ("stop", "hold")}
    for name in ("stop", "hold"):
        assert any(chunk.text.startswith(f"# Part {name}.") for chunk in chunks)


@given(st.text(max_size=300), st.sampled_from(CODE_EXTENSIONS.split()))
def test_any_text_is_read_as_code_and_its_blocks_cover_it(text, extension):
    try:
        document = read_document(text.encode(), f"a.{extension}", LIMITS)
    except UnreadableDocument:
        return
    check_blocks(document)


def test_a_repository_and_its_settings_are_ingested(workspace, store, tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    for name, (code, _) in DEFINED.items():
        (folder / name).write_text(code)
    (folder / "settings.json").write_text('{"pump": {"flow_lpm": 2.4}}')
    report = ingest(workspace, store, [folder])
    assert (len(report.added), report.failed) == (len(DEFINED) + 1, [])
    assert FORMATS[".py"] == "code"
