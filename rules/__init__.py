"""A policy as people keep it: a folder that loads into a typed program with its lists and cases."""
