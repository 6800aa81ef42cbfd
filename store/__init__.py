"""What is kept: the ledger, on SQLite by default and on PostgreSQL by URL.

`ledger.py` is the one writer, `reading.py` reads, `verification.py` and `offline_verifier.py`
verify; `merkle.py` and `notes.py` are the tree and its signed heads, `entries.py` and `sealing.py`
what a leaf and a payload are. Window state, the active release, cases and the outbox are not here
yet.
"""
