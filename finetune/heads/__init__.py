"""Heads: an encoder with a LoRA adapter and a linear layer that gives texts their classes, or words their tags."""
