"""The commands, each in a file that is named as it is typed."""
