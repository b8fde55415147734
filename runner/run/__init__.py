"""What a command does once its words are understood. `story` is a live run's; of the others each
has a module that loads no more than it needs.
"""
