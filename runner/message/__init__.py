"""The domain: who is written to, what becomes of a message, and by what proof.

Imports nothing that does I/O.
"""
