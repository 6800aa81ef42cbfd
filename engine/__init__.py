"""The engine: one event in, one recorded, explained and repeatable decision out.

Time, history, list contents and scores come in as arguments; the engine reads no clock, no disk
and no network.
"""
