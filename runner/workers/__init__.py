"""Many machines: lanes of a shared ledger, each driven by one worker at a time.

The ledger owns what is due, who was written to, limits and schedules, and fences a worker that was
only thought dead. The engine (Procrastinate, on the same database) owns nothing but which worker
drives which lane; its rows can be thrown away at any moment, and are made again from the ledger's.
"""
