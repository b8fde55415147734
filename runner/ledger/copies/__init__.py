"""More than one copy of a ledger: backups, transfers, and copies that are too old."""
