"""Trained models where they are used: loaded without torch, with a baseline when there is none to trust."""

MAX_AGE_DAYS = 45.0
"""A model promoted longer ago than this is not asked: a month between two trainings, and half of one to mend them."""
