"""Copies of a ledger: backups, transfers, and copies that are too old."""
