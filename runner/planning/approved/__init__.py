"""Approved plans: what a campaign may send at most, written, compared and held to."""
