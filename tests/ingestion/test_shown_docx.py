"""Word documents: what Word shows as final text, once, in its place."""

import io
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml

from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits

CASES = Path(__file__).parent / "cases"
LIMITS = Limits(10_000_000, 40_000_000, 100)
SPACES = " ".join(
    f'xmlns:{prefix}="http://schemas.{rest}"'
    for prefix, rest in {
        "w": "openxmlformats.org/wordprocessingml/2006/main",
        "m": "openxmlformats.org/officeDocument/2006/math",
        "mc": "openxmlformats.org/markup-compatibility/2006",
        "v": "microsoft.com/vml",
        "wps": "microsoft.com/office/word/2010/wordprocessingShape",
    }.items()
)


def read(data: bytes) -> ParsedDocument:
    return read_document(data, "a.docx", LIMITS)


def case(name: str) -> str:
    return read((CASES / f"{name}.docx").read_bytes()).text


def body(xml: str) -> str:
    """The text of a document with this body."""
    document, target = docx.Document(), io.BytesIO()
    for element in parse_xml(f"<w:body {SPACES}>{xml}</w:body>"):
        document.element.body.insert(len(document.element.body) - 1, element)
    document.save(target)
    return read(target.getvalue()).text


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def p(*runs: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(runs)}</w:p>"


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{text if text.startswith('<') else p(run(text))}</w:tc>"


def table(*rows: list[str]) -> str:
    return "<w:tbl><w:tblPr/><w:tblGrid/>" + "".join(f"<w:tr>{''.join(row)}</w:tr>" for row in rows) + "</w:tbl>"


def field(kind: str) -> str:
    return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'


def code(text: str) -> str:
    return f"<w:r><w:instrText>{text}</w:instrText></w:r>"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("cell_break", ["Point: Inlet | Pressure (mbar): 10 20"]),
        ("vmerge", ["Model: KX-20 | Fluid: glycol | Maximum pressure: 4 bar"]),
        (
            "vmerge",
            ["Model: KX-30 | Fluid: water | Maximum pressure: 9 bar", "Model: KX-30 | Fluid: glycol | Maximum pressure: 7 bar"],
        ),
        ("super_math", ["The assurance level is 10^6 units; the dose limit is 25^1 mg."]),
        ("super_math", ["The wall thickness follows t=0.42 d for all tubes."]),
        ("textbox", ["Stand clear of the boiler.", "WARNING", "Surface reaches 180 degrees"]),
    ],
)
def test_cases_line_by_line(name, lines):
    found = case(name).split("\n")
    assert [line for line in lines if line not in found] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("header_table", ["SOP-0417", "3 March 2025"]), ("header_firstpage", ["SOP-0418", "4 April 2025"])],
)
def test_page_headers_in_tables_and_of_the_first_page(name, words):
    text = case(name)
    assert [text.count(word) for word in words] == [1, 1]


def test_what_was_moved_stands_once():
    text = case("tracked_move")
    assert text.count("Finish the supplier contract by 30 September.") == 1
    assert "6 bar" in text
    assert "5 bar" not in text


def test_breaks_tabs_hyphens_and_symbols():
    text = body(
        p(
            "<w:r><w:t>a</w:t><w:br/><w:t>b</w:t><w:tab/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t><w:softHyphen/><w:t>e</w:t></w:r>"
        )
        + p(
            run("25 "),
            '<w:r><w:sym w:font="Symbol" w:char="F0B0"/></w:r>',
            run("C "),
            '<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>',
        )
        + p('<w:r><w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr><w:t>&#xF0B3;</w:t></w:r>', run(" 3"))
    )
    assert text == "a\nb c-de\n\n25 °C ☑\n\n≥ 3"


def test_the_result_of_a_field_is_shown_and_not_its_code():
    inner = field("begin") + code("MERGEFIELD limit") + field("separate") + run("hidden") + field("end")
    text = body(
        p(
            run("See "),
            field("begin"),
            code("IF "),
            inner,
            code(" = 1"),
            field("separate"),
            run("section 4.2"),
            field("end"),
            run("."),
        )
        + p(field("begin"), code("TOC"), field("separate"), run("first"))
        + p(run("second"), field("end"))
        + p('<w:fldSimple w:instr="DATE">' + run("3 May") + "</w:fldSimple>")
    )
    assert text == "See section 4.2.\n\nfirst\n\nsecond\n\n3 May"


def test_old_form_fields_show_their_state():
    def begin(data: str) -> str:
        return f'<w:r><w:fldChar w:fldCharType="begin"><w:ffData>{data}</w:ffData></w:fldChar></w:r>' + field("end")

    choice = '<w:ddList><w:result w:val="1"/><w:listEntry w:val="failed"/><w:listEntry w:val="passed"/></w:ddList>'
    assert body(p(begin("<w:checkBox><w:checked/></w:checkBox>"), run(" sealed, "), begin(choice))) == "☒ sealed, passed"


def test_hidden_text_and_comments_are_not_shown():
    hidden = "<w:vanish/>"
    text = body(
        p(run("shown "), run("draft", hidden), run("on", '<w:vanish w:val="0"/>'))
        + p(run("all draft", hidden))
        + p('<w:commentRangeStart w:id="1"/>', run("said"), '<w:r><w:annotationRef/><w:commentReference w:id="1"/></w:r>')
    )
    assert text == "shown on\n\nsaid"


def test_tracked_changes_show_the_final_text():
    deleted = '<w:del w:id="1" w:author="A"><w:r><w:delText>old</w:delText></w:r></w:del>'
    mark = '<w:rPr><w:del w:id="2" w:author="A"/></w:rPr>'
    text = body(
        p(run("one "), deleted, properties=mark)
        + p(run("two"))
        + p('<w:moveFrom w:id="3" w:author="A">' + run("went") + "</w:moveFrom>")
        + table([cell("a"), cell("b")], [cell("c"), cell("d")]).replace(
            "<w:tr><w:tc>", '<w:tr><w:trPr><w:del w:id="4" w:author="A"/></w:trPr><w:tc>', 1
        )
    )
    assert text == "one two\n\nc | d"


def test_raised_and_lowered_runs_are_marked_where_figures_would_run_together():
    up, down = '<w:vertAlign w:val="superscript"/>', '<w:vertAlign w:val="subscript"/>'
    assert body(
        p(run("10"), run("-", up), run("12", up), run(" m"), run("2", up), run(" H"), run("2", down), run("O 1"), run("st", up))
    ) == ("10^-12 m² H2O 1st")


def test_equations_are_one_line():
    def r(text: str) -> str:
        return f"<m:r><m:t>{text}</m:t></m:r>"

    equation = (
        r("v=")
        + f"<m:f><m:num>{r('a+b')}</m:num><m:den>{r('2')}</m:den></m:f>"
        + r("+")
        + f"<m:rad><m:deg/><m:e>{r('x')}</m:e></m:rad>"
        + r("+")
        + f"<m:sSup><m:e>{r('d')}</m:e><m:sup>{r('2')}</m:sup></m:sSup>"
        + '<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr>'
        + f"<m:sub>{r('i=1')}</m:sub><m:sup>{r('n')}</m:sup><m:e>{r('i')}</m:e></m:nary>"
        + f"<m:d><m:e>{r('k')}</m:e></m:d>"
    )
    assert body(p(f"<m:oMathPara><m:oMath>{equation}</m:oMath></m:oMathPara>")) == "v=(a+b)/2+√(x)+d^2∑_(i=1)^n i(k)"


def test_a_text_box_that_is_stored_twice_is_read_once():
    box = f"<w:txbxContent>{p(run('WARNING'))}{p(run('hot'))}</w:txbxContent>"
    stored = (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wps:wsp><wps:txbx>{box}</wps:txbx>'
        f"</wps:wsp></w:drawing>"
        f"</mc:Choice><mc:Fallback><w:pict><v:shape><v:textbox>{box}</v:textbox></v:shape></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
    assert body(p(run("Boiler."), stored)) == "Boiler.\n\nWARNING\n\nhot"


def test_cells_merged_across_stand_once_under_all_their_headings():
    wide = '<w:gridSpan w:val="2"/>'
    text = body(
        table(
            [cell("Limits 2024", '<w:gridSpan w:val="3"/>')],
            [cell("Model", '<w:vMerge w:val="restart"/>'), cell("Pressure", wide)],
            [cell("", "<w:vMerge/>"), cell("min"), cell("max")],
            [cell("P-1"), cell("2 bar"), cell("6 bar")],
            [cell("P-2"), cell("fixed", wide)],
        )
    )
    assert text.split("\n") == [
        "Limits 2024",
        "Model: P-1 | Pressure min: 2 bar | Pressure max: 6 bar",
        "Model: P-2 | Pressure min, Pressure max: fixed",
    ]


def test_a_table_in_a_cell_stays_in_its_cell():
    inner = table([cell("Gasket"), cell("2")], [cell("O-ring"), cell("6")])
    text = body(table([cell("Kit"), cell("Contents"), cell("Note")], [cell("SK-7"), cell(inner + p()), cell("new")]))
    assert text == "Kit: SK-7 | Contents: Gasket 2; O-ring 6 | Note: new"


def test_content_controls_hold_paragraphs_runs_rows_and_cells():
    def control(content: str) -> str:
        return f"<w:sdt><w:sdtPr/><w:sdtContent>{content}</w:sdtContent></w:sdt>"

    rows = f"<w:tr>{cell('Part')}{cell('Torque')}{cell('Tool')}</w:tr>" + control(
        f"<w:tr>{cell('A-1')}{control(cell('5 Nm'))}{cell('key')}</w:tr>"
    )
    text = body(control(p(run("Name: "), control(run("Lindqvist")))) + f"<w:tbl><w:tblPr/><w:tblGrid/>{rows}</w:tbl>")
    assert text == "Name: Lindqvist\n\nPart: A-1 | Torque: 5 Nm | Tool: key"


def test_notes_are_numbered_where_they_are_referred_to():
    document, target = docx.Document(), io.BytesIO()
    notes = "".join(
        f'<w:footnote w:id="{n}">{p(run(text))}</w:footnote>' for n, text in ((2, "Measured cold."), (5, "Never shown."))
    )
    part = docx.opc.part.Part(
        docx.opc.packuri.PackURI("/word/footnotes.xml"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml",
        f"<w:footnotes {SPACES}>{notes}</w:footnotes>".encode(),
        document.part.package,
    )
    document.part.relate_to(part, "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes")
    reference = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    document.element.body.insert(0, parse_xml(f"<w:body {SPACES}>{p(run('25'), reference, run(' mg'))}</w:body>")[0])
    document.save(target)
    assert read(target.getvalue()).text == "25^1 mg\n\n^1 Measured cold."


def test_lists_and_headings_have_the_numbers_that_word_prints():
    document, target = docx.Document(), io.BytesIO()
    levels = "".join(
        f'<w:lvl w:ilvl="{depth}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for depth, (form, text) in enumerate([("decimal", "%1"), ("decimal", "%1.%2"), ("lowerLetter", "%3)")])
    )
    numbering = document.part.numbering_part.element
    numbering.insert(0, parse_xml(f'<w:abstractNum {SPACES} w:abstractNumId="900">{levels}</w:abstractNum>'))
    numbering.append(parse_xml(f'<w:num {SPACES} w:numId="900"><w:abstractNumId w:val="900"/></w:num>'))
    for text, depth, style in [
        ("Scope", 0, "Heading 1"),
        ("Pumps", 1, "Heading 2"),
        ("open", 2, None),
        ("close", 2, None),
        ("Use", 0, "Heading 1"),
    ]:
        paragraph = document.add_paragraph(text, style)
        paragraph._p.get_or_add_pPr().append(
            parse_xml(f'<w:numPr {SPACES}><w:ilvl w:val="{depth}"/><w:numId w:val="900"/></w:numPr>')
        )
    document.save(target)
    assert read(target.getvalue()).text == "1 Scope\n\n1.1 Pumps\n\na) open\nb) close\n\n2 Use"


@pytest.mark.parametrize("line", ["<w:strike/>", "<w:dstrike/>", '<w:strike w:val="1"/><w:dstrike w:val="0"/>'])
def test_struck_out_text_is_not_read(line):
    old, new = run("50", line), run("60 Nm", '<w:strike w:val="0"/>')
    assert body(p(run("Torque "), old, new)) == "Torque 60 Nm"
    assert body(p(run("5"), old, run("6 bar"))) == "5 6 bar"
    rows = table([cell("Part"), cell("Torque"), cell("Note")], [cell("A"), cell(p(old, new)), cell(p(old))])
    assert body(rows) == "Part: A | Torque: 60 Nm"


def test_a_struck_out_list_item_is_counted():
    item = '<w:pStyle w:val="ListNumber"/>'
    text = body(
        p(run("one"), properties=item) + p(run("two", "<w:strike/>"), properties=item) + p(run("three"), properties=item)
    )
    assert text == "1. one\n3. three"


def test_text_moved_up_or_down_is_raised_or_lowered():
    up, down, level = (run("6", f'<w:position w:val="{shift}"/>') for shift in ("6", "-4", "0"))
    assert body(p(run("10"), up, run(" cells"))) == "10^6 cells"
    assert body(p(run("x"), down, run("2"))) == "x_6 2"
    assert body(p(run("10"), level, run(" cells"))) == "106 cells"
