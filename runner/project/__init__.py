"""A project: its campaign files, its ledger and its tokens, found and opened."""
