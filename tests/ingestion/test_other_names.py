"""Other names that texts give."""

from __future__ import annotations

import pytest

from doyen.ingestion.other_names import find_other_names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CEACAM1 (also known as BGP or CD66) is expressed.", {"BGP": "CEACAM1"}),
        ("The sample conditioner, formerly called chiller, cools the gas.", {"chiller": "sample conditioner"}),
        ("Empty it. The drain pot is also called the knock-out pot.", {"knock-out pot": "drain pot"}),
        (
            "causing Rabbit haemorrhagic disease (RHD), which is also known as calici fever (CF)",
            {"calici fever": "Rabbit haemorrhagic disease"},
        ),
        ("The unit (a.k.a. “cold box”) hums.", {"cold box": "unit"}),
        ("It is also known as X. We also called Y. An expert formerly with the WHO. also known as", {}),
        ("The pump.\nAlso known as X", {}),
        ("The handler is also called when the pump starts, and the alarm is often called by the PLC.", {}),
    ],
)
def test_found(text: str, found: dict[str, str]) -> None:
    assert find_other_names(text) == found
