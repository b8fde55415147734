"""The campaign file: what it may say, and how every mistake in it is told."""
