"""Other tools' formats: one module each, streaming in both directions."""
