"""Bases of campaign files: what `extends` brings in, what is locked, and the whole as one text."""
