"""Sending: a lane while it is driven, from permit and claim to outcome and look-up."""
