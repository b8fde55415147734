"""Random campaign files, sheets, templates, answers, command lines and exports, without end.

    python -m tests.fuzz --seconds 60 --seed 1
    python -m tests.fuzz --kind sheets --case 4711      one case again, by the number it was told by

Every case is made from (seed, kind, number) alone. The suite runs a few hundred of each.
"""
