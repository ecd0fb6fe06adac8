"""Signs of Word's symbol fonts as Unicode; such fonts keep them at the private code points U+F020 to U+F0FF."""

from __future__ import annotations

# Adobe's Symbol encoding from 0x20 on; "\ufffd" stands where it has no sign.
_SYMBOL_LOW = " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
_SYMBOL_HIGH = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\ufffd〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"
_WINGDINGS = {
    **dict.fromkeys((0x6E, 0xA7), "▪"), **dict.fromkeys((0x6F, 0x70, 0x71, 0x72, 0xA8), "☐"), 0x6C: "●", 0x9F: "•", 0xFB: "✗",
    0xFC: "✓", 0xFD: "☒", 0xFE: "☑", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE7: "⇐", 0xE8: "➔", 0xF0: "⇨", 0x4A: "☺",
    0x21: "✎", 0x28: "☎", 0x2A: "✉", 0x46: "☞", 0xAB: "★", 0xD8: "➢", 0x76: "❖", 0x51: "✈",
}  # fmt: skip
_WINGDINGS_2 = {0x50: "✓", 0x4F: "✗", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0xA3: "☐", 0x2A: "☐"}
_SYMBOL = {
    **{0x20 + place: sign for place, sign in enumerate(_SYMBOL_LOW)},
    **{0xA0 + place: sign for place, sign in enumerate(_SYMBOL_HIGH)},
}
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2}


def symbol_text(text: str, font: str) -> str:
    """Return text in a font as Unicode; a sign of a symbol font that is not known is left out."""
    signs = _FONTS.get(font.lower())
    if signs is None:
        return text
    return "".join(signs.get(ord(letter) & 0xFF, "") if 0xF000 <= ord(letter) <= 0xF0FF else letter for letter in text)
