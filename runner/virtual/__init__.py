"""Virtual time: an event loop that waits for nothing, its clock, and a network within it."""
