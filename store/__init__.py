"""What is kept: the ledger, on SQLite by default and on PostgreSQL by URL.

`ledger.py` is the one writer, `reading.py` reads, `verification.py` and `offline_verifier.py`
verify; `merkle.py` and `notes.py` are the tree and its signed heads, `entries.py` and `sealing.py`
what a leaf and a payload are. `side_tables.py` has the rows that are written with an entry,
`cases.py` and `outbox.py` read them. The active release is not here yet.
"""
