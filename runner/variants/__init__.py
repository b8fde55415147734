"""Variants: several texts of one message, dealt at random, and what their answers show."""
