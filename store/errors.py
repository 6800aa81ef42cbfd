"""What can go wrong with what is kept. Each error says what its caller may rely on."""

from __future__ import annotations


class LedgerError(Exception):
    """Anything that the ledger says no with."""


class RequestConflictError(LedgerError):
    """The idempotency key was used with another request; nothing was recorded."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"the key was used with another request, recorded as {seq}")
        self.seq = seq


class LedgerBusyError(LedgerError):
    """Too many entries wait; nothing was recorded. Shed load or try again."""


class LedgerUnavailableError(LedgerError):
    """The entry was not acknowledged. With its idempotency key it can be sent again: where it was
    recorded after all, the record is given back.
    """


class LedgerStoppedError(LedgerUnavailableError):
    """The writer stopped for good, and so must deciding; a person has to look, then restart."""


class SecondWriterError(LedgerError):
    """Another process writes to this ledger."""


class SchemaError(LedgerError):
    """The database is of another schema than this release reads and writes."""


class TamperedLedgerError(LedgerError):
    """The ledger is not what it was: changed, cut, forked, rolled back. The message says where."""


class ErasedError(LedgerError):
    """The payload cannot be read any more: its key was destroyed, as `seq` of the ledger says."""

    def __init__(self, seq: int | None, cause: str) -> None:
        where = f", see leaf {seq}" if seq is not None else ""
        super().__init__(f"erased: {cause}{where}")
        self.seq = seq
        self.cause = cause


class UnknownEntryError(LedgerError):
    """No leaf has this number or id."""
