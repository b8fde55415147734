"""From files to a plan in the ledger."""
