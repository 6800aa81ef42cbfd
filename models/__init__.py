"""Portable models. Empty so far: no model is loaded, scored or explained yet.

This folder will hold models as plain JSON, exported once and offline from scikit-learn or
interpret, scored and explained with integers, with their cards, drift statistics and a registry
over a folder. Today a rule may name a score, and the score comes in with the event.
"""
