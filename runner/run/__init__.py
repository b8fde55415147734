"""Commands that may send, and those that say what a run would do: a module each."""
