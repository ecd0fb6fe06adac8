"""The documents of a small company."""

from __future__ import annotations

from pathlib import Path

DOCUMENTS = {
    "pump.md": (
        "# Service of the Corvo 300 pump\n\n## Filter\n\nThe inlet filter AB-1234 is replaced every 14 months. "
        "Close valve V7 before opening the housing. Dispose of the used filter as special waste.\n\n"
        "## Seals\n\nThe shaft seal is checked each spring. A seal with more than 0.4 mm of wear is replaced by a "
        "technician of level two. Torque of the cover bolts: 18 Nm.\n"
    ),
    "travel.md": (
        "# Travel policy\n\nEmployees book trains in second class. Flights under four hours are in economy class. "
        "The daily meal allowance is 31 euro inside the country. Receipts are handed in within 20 days of the return. "
        "Nobody needs approval for a taxi after 22:00.\n"
    ),
    "alarms.csv": (
        "code;meaning;action\nE-17;Inlet pressure too low;Open the supply valve fully\n"
        "E-18;Motor too hot;Let it cool for 40 minutes\nE-21;Sensor cable loose;Plug it in and restart\n"
    ),
    "holiday.txt": (
        "Holiday rules\n\nEvery employee has 27 days of leave a year. Up to 5 days may be carried over until the end of "
        "March. Leave of more than 15 days in a row is agreed with the head of department eight weeks ahead.\n"
    ),
    "release.html": (
        "<html><head><title>Release notes 4.2</title></head><body><h1>Release notes 4.2</h1><p>The controller now stores "
        "90 days of measurements instead of 30.</p><p>Login with a badge is possible at stations with reader RX-5.</p>"
        "</body></html>"
    ),
}


def write_documents(folder: Path, documents: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
