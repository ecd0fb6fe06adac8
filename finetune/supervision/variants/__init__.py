"""Variants of labelled pairs: other words, other spellings, other ways of asking, other entities."""
