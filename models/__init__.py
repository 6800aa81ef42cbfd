"""Portable models: plain JSON, exported once and offline, scored and explained with integers.

`portable.py` is the form; `reading.py` reads it; `scoring.py` and `columns.py` evaluate it. Nothing
here imports a learning library but the modules of the offline export.
"""
