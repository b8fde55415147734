"""A run as people see it, and the words for what they are told."""
