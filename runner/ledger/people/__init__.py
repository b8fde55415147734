"""People as the ledger knows them: handles, holds, acquaintances, tags, and who was erased."""
