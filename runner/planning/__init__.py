"""Planning: from files to a plan in the ledger."""
