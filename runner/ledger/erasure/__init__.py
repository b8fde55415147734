"""People as the ledger has them, whole: shown to them, erased, and looked for afterwards."""
