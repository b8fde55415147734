"""The database of a ledger: an SQLite file or PostgreSQL, its place, and its errors."""
