"""What tests of models share."""

import os

import pytest


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out waiting for the disk, where many logs are written and no crash is at issue."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
