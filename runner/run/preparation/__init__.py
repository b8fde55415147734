"""The preparation of a run: the team, the review, and whether it may send."""
