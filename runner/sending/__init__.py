"""A lane while it is driven: claims, sends, outcomes, look-ups, and what stops it."""
