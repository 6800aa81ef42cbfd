"""Tests of portable models."""
