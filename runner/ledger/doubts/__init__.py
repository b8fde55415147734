"""Messages in doubt: found after a crash, settled by a look-up or by a person."""
