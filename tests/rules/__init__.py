"""Tests of the policy folder."""
