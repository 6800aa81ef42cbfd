"""Scoring in a process of its own: what stands between a scorer and the decision.

`answers.py` says what a good answer is, `patience.py` when to stop asking, `process.py` starts and
ends a worker, `desk.py` asks one model's worker. `worker.py` is what runs on the other side, behind
the walls of `walls.py` and `system_calls.py`; it imports nothing of the product but the scorer.
"""
