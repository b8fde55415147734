"""The domain: who is written to, with which result, and by what proof.

Imports nothing that does I/O.
"""
