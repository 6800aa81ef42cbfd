"""Tests. `conftest.py` says what the marker `shared` and the fixture `golden` do."""
