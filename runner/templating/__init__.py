"""Templates: the text of a message from a template and a prospect's columns.

Jinja2 in a sandbox, with less in it than the sandbox has: no other files, no macros, no random
values (a text must come out the same at every planning), and nothing that a typing mistake could
turn into an endless loop or a gigabyte. A name that is no column is an error, never an empty text.
"""
