"""Tests of histories and dry runs."""
