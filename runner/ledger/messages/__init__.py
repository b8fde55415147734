"""A message's life in the ledger: planned, queued, claimed, recorded, settled."""
