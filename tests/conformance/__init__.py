"""Foreign expression vectors, run through our own printer, parser, checker and evaluators.

`python -m tests.conformance FILE` reads a file of vectors (one JSON object a line, `.gz` or plain),
asks each of every evaluator, and puts it into exactly one class:

- `agrees`: every evaluator gives the foreign result;
- `diverges`: ours is another on purpose, for a reason listed in `divergences.py`;
- `must not compile`: an error there, and refused here;
- `not expressible`: it uses a construct that the language does not have.

A vector that fits none of them fails the run, and so does a reason that no vector needs any more.
"""
