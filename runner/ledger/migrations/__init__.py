"""Migrations of a ledger to the schema of this version."""
