"""Supervision: what chooses texts to label, makes labels, and checks them.

Every technique reads typed labels and texts through ``doyen.annotation`` and gives back orders, drafts or reviews through it.
"""
