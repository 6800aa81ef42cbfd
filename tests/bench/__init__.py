"""Small runs of the benchmarks: they agree; nothing is timed."""
