"""Replies: which message of ours one answers, and whether it is an opt-out. No I/O."""
