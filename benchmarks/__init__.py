"""How fast it is: `make bench`, or one part of it with `make bench ONLY=sending`.

Each part runs real processes (the installed `run-campaign` among them) and gives a table, which
`docs/performance.md` keeps between its marks. What is measured and how stands there.
"""
