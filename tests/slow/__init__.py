"""What takes minutes: left out by `make test FAST=1`, and last otherwise."""
