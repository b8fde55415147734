"""Dates of a plan: from when, on which days and until when its messages go."""
