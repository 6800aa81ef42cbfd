"""Histories and dry runs: what a policy would have decided over a recorded history."""
