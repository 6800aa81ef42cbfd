"""The HTTP face: events come in, decisions are recorded and then answered.

`assembly.py` is the one place where a service is put together; `decider.py` is its heart.
"""
