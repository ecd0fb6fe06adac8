"""HTML and Markdown: what the browser shows, once, words apart, with its headings."""

from pathlib import Path

import pytest

from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits

CASES = Path(__file__).parent / "cases"
LIMITS = Limits(10_000_000, 40_000_000, 100)


def html(body: str, head: str = "") -> str:
    return read_document(f"<html><head>{head}</head><body>{body}</body></html>".encode(), "a.html", LIMITS).text


def markdown(text: str) -> str:
    return read_document(text.encode(), "a.md", LIMITS).text


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("html_sup.html", ["The assurance level is 10^6 units; the dose limit is 25^1 mg; area 4 m²."]),
        ("html_pre_br.html", ["set pressure 10", "set flow 20", "save"]),
        ("html_nested_table.html", ["Kit: SK-7 | Contents: Gasket 2; O-ring 6"]),
        ("faq_accordion.html", ["How often is the sensor calibrated?", "Every 26 weeks.", "Who replaces the filter?"]),
        ("html_warning_footer.html", ["DANGER: lock out power before opening the guard.", "Hydraulic pressure 210 bar"]),
        ("md_html_table.md", ["Part: AB-1200/3 | Torque: 12 Nm", "Part: AB-1200/4 | Torque: 15 Nm"]),
    ],
)
def test_cases(name, lines):
    text = read_document((CASES / name).read_bytes(), name, LIMITS).text
    assert [text.split("\n").count(line) for line in lines] == [1] * len(lines)
    assert text.count("Gasket") <= 1


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>secret</p>",
        "<p style='color:red; display: none'>secret</p>",
        "<p style='visibility:hidden'>secret</p>",
        "<p class=draft>secret</p>",
        "<template><p>secret</p></template>",
        "<noscript>secret</noscript>",
        "<dialog>secret</dialog>",
        "<input type=hidden value=secret>",
        "<input type=password value=secret>",
        "<!-- secret -->",
    ],
)
def test_hidden_elements_are_not_read(hidden):
    style = "<style>/* a */ @media print { p { display: none } } .draft, .old { display:none } p { color: red }</style>"
    assert html(f"<h1>T</h1>{hidden}<p aria-hidden='true'>Shown.</p>", style) == "T\n\nShown."


def test_what_a_control_folds_out_is_read():
    style = "<style>.panel { display: none }</style>"
    text = html(
        "<button aria-expanded=false aria-controls=a>Who replaces it?</button><div id=a hidden>The technician.</div>"
        "<button class=accordion>How often is it done?</button><div class=panel>Each year.</div>"
        "<details><summary>Where?</summary>On site.</details><button>Print</button>",
        style,
    )
    assert text.split("\n\n") == [
        "Who replaces it?",
        "The technician.",
        "How often is it done?",
        "Each year.",
        "Where?",
        "On site.",
    ]


@pytest.mark.parametrize("name", ["banner", "footer", "sidebar", "menu", "related", "promo", "cookie-filter", "ads", "header"])
def test_a_class_name_alone_drops_nothing(name):
    text = html(f"<h1>Press</h1><div class='{name}'>Lock out power at 210 bar.</div><p>Close the guard and run it.</p>")
    assert "Lock out power at 210 bar." in text


def test_lists_of_links_and_notices_go():
    text = html(
        "<div class='menu'><a href=/>Home</a> <a href=/a>About us</a></div>"
        "<div id='cookie-consent'>We use cookies. <button>OK</button></div>"
        "<p>Close the guard before the press is run.</p><section>Kept.<footer>Rev 7</footer></section>"
        "<div class='site-footer'><a href=/i>Imprint</a></div><footer>ACME</footer>"
    )
    assert text == "Close the guard before the press is run.\n\nKept.\n\nRev 7"


def test_fields_pictures_and_drawings_show_their_text():
    text = html(
        "<p>Serial: <input value='KX-817'> <label><input type=checkbox checked> tight</label> <input type=radio> no"
        "<p><select><option>failed<option selected>passed</select> <textarea>by hand</textarea></p>"
        "<p><img src=a.png alt='Wiring of terminal 4'><svg><title>x</title><text>L1</text></svg></p>"
        "<form><button>Send now please</button></form>"
    )
    assert text == "Serial: KX-817 ☒ tight ☐ no\n\npassed by hand\n\nWiring of terminal 4 L1"


def test_cells_that_span_columns_and_rows():
    text = html(
        "<table><thead><tr><th rowspan=2>Model<th colspan=2>Limit<tr><th>2022<th>2023</thead>"
        "<tfoot><tr><td>all<td colspan=2>same</tfoot>"
        "<tr><td rowspan=2>P-1<td>5<td>6<tr><td>7<td>8</table>"
    )
    assert text.split("\n") == [
        "Model: P-1 | Limit 2022: 5 | Limit 2023: 6",
        "Model: P-1 | Limit 2022: 7 | Limit 2023: 8",
        "Model: all | Limit 2022, Limit 2023: same",
    ]


def test_raised_text_by_style_and_in_equations():
    text = html(
        "<p>10<span style='vertical-align: super'>-3</span>, 5<sup>th</sup>, CO<sub>2</sub>, 25<sup>o</sup>C, 10<sup>6</sup>8, "
        "known<sup><a href=#f>[3]</a></sup> <math><msup><mi>x</mi><mn>2</mn></msup></math></p>"
    )
    assert text == "10^-3, 5th, CO2, 25°C, 10^6 8, known[3] x²"


def test_markdown_with_html_and_footnotes():
    text = markdown(
        "25[^1] mg, 10<sup>6</sup>\n\n[^1]: Cold.\n\n"
        "<table>\n<tr><th>A</th><th>B</th></tr>\n\n<tr><td>x</td><td>y</td></tr>\n\n</table>\n\n"
        "<div hidden>secret</div>\n\n<details><summary>How?</summary>\n\nSo *it* is.\n\n</details>\n\n```\na<b>  c\n```\n"
    )
    assert text == "25[^1] mg, 10^6\n\n[^1]: Cold.\n\nA: x | B: y\n\nHow?\n\nSo it is.\n\na<b>  c"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>Torque <s>50</s>60 Nm</p>", "Torque 60 Nm"),
        ("<p>Torque <del>9</del><ins>10</ins> Nm</p>", "Torque 10 Nm"),
        ("<p>Limit 5<strike>0</strike>6 bar, (<s>9</s>10)<s> mm</s>.</p>", "Limit 5 6 bar, (10)."),
        ("<p>Max <span style='color:red; text-decoration: underline line-through'>4</span>5 bar</p>", "Max 5 bar"),
        ("<p>Max <b class=old>4</b>5 bar</p>", "Max 5 bar"),
        ("<p>Max <u style='text-decoration:underline'>5</u> bar</p>", "Max 5 bar"),
        (
            "<table><tr><th>Part<th>Old<th>New<tr><td>A<td style='text-decoration:line-through'>1<td>2</table>",
            "Part: A | New: 2",
        ),
        ("<table><tr><th>Part<th>Torque<tr><td>A<td><s>50</s>60 Nm</table>", "Part: A | Torque: 60 Nm"),
        ("<ol><li>one<li><del>two</del><li>three</ol><pre>a <s>b</s>c</pre>", "1. one\n3. three\n\na c"),
    ],
)
def test_struck_out_text_is_not_read(body, expected):
    assert html(body, "<style>.old { color: red; text-decoration: line-through }</style>") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Torque ~~50~~60 Nm", "Torque 60 Nm"),
        ("Torque ~~**50** Nm~~ *60* Nm", "Torque 60 Nm"),
        ("Torque <del>50 <b>x</b></del>60 Nm", "Torque 60 Nm"),
        ("Torque <s>50<s>40</s>30</s>60 Nm", "Torque 60 Nm"),
        ("Inline <span hidden>secret</span>word", "Inline word"),
        ("Inline <span style='display:none'>secret</span> <b>word</b>", "Inline word"),
        ("Inline <span>word</span> <s>and more", "Inline word and more"),
        ("1. one\n2. ~~two~~\n3. three", "1. one\n3. three"),
        ("| Part | Torque |\n|---|---|\n| ~~C~~ D | ~~50~~60 Nm |", "Part: D | Torque: 60 Nm"),
    ],
)
def test_struck_out_and_hidden_text_of_markdown_is_not_read(text, expected):
    assert markdown(text) == expected


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.csv"])
def test_a_text_about_pdf_files_is_a_text(name):
    assert "is the magic of a PDF" in read_document(b"# x %PDF-1.4 is the magic of a PDF", name, LIMITS).text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "<table><tr><th>A<th>B<tr><td>x<td><b style='display:block'>1</b><b style='color:red;display: flex'>2</b></table>",
            "A: x | B: 1 2",
        ),
        ("<div><span style='display:block'>KX</span><span style='display:block'>30 bar</span></div>", "KX\n\n30 bar"),
        ("<div>KX<span style='display:inline-block'>x</span><span style='display:inline'>30</span> bar</div>", "KXx30 bar"),
        ("<dl><dt>Max<dd><i style='display:table-cell'>1</i><i style='display:table-cell'>2</i></dl>", "Max: 1 2"),
    ],
)
def test_boxes_of_their_own_part_words(body, expected):
    assert html(body) == expected


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("<mfrac><mn>1</mn><mn>2</mn></mfrac><msqrt><mn>9</mn></msqrt>", "(1/2)√(9)"),
        ("<mn>3</mn><mfrac><mn>1</mn><mn>2</mn></mfrac>", "3(1/2)"),
        ("<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></mfrac>", "(a+b)/2"),
        ("<mfrac><mfrac><mn>1</mn><mn>2</mn></mfrac><mn>3</mn></mfrac>", "(1/2)/3"),
        ("<mroot><mi>x</mi><mn>3</mn></mroot>", "(3)√(x)"),
        ("<msqrt><mfrac><mi>a</mi><msup><mi>b</mi><mn>2</mn></msup></mfrac></msqrt>", "√(a/(b²))"),
    ],
)
def test_equations(equation, expected):
    assert html(f"<p><math>{equation}</math></p>") == expected
