"""Rows about a campaign as a whole."""
