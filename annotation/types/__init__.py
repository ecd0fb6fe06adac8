"""Descriptions, typed labels, and for each task type a module: its instruction form, plain rows, and drafts by rule."""
