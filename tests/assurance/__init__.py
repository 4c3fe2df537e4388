"""``make assurance``: every fault of the list met, every guard shown to be needed, long histories lived through.

It takes much longer than ``make test`` and writes what it found to ``docs/assurance.md``.
"""
