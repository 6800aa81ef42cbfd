"""What is kept. Empty so far: no decision is written to a ledger yet.

This folder will hold the ledger, window state as bytes, the active release, idempotency, cases
and the outbox; on SQLite by default, on PostgreSQL where one machine is not enough. Today the
command line hands a decision's record to its caller and keeps nothing.
"""
