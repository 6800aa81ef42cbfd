"""The language: source text to tree to typed program, with diagnostics and a formatter.

One stage a file. Nothing here reads a clock, a file or a network; Lark is known to
`tidegate.dsl.parser` alone.
"""
