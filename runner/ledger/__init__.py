"""The ledger: the truth about who was written to. Only this package knows SQLAlchemy."""
