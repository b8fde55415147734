"""The queries for people and metrics. Read-only."""
