"""Seeded histories of the real runner in virtual time, against a simulated server."""
