"""Tests of the offline export."""
