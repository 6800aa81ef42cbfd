"""The HTTP face. Empty so far: Tidegate answers on the command line and as a library only.

This folder will hold the door (validation, refusal of card numbers), authentication, intake, the
console, and `assembly.py`, the one place where a service is put together.
"""
