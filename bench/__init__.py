"""Benchmarks: medians of per-round ratios, with their spread. None is written yet."""
