"""Adapters after training: their cards, what of them is in use, and the ways out of and into the registry."""
