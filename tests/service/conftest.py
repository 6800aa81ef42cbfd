"""Ledgers of both kinds for the tests of the service."""

from tests.store.conftest import keys, server, url

__all__ = ["keys", "server", "url"]
