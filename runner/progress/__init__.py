"""A run as people see it, and the words for what they are told."""

from runner.progress.words import bar, counted, duration, moment, number, safe, short

__all__ = ["bar", "counted", "duration", "moment", "number", "safe", "short"]
