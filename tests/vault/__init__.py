"""Tests of keys and secrets."""
