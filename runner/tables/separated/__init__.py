"""Tables of separated values: their separator, quotes and records."""
