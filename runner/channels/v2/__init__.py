"""The Inbox API, version 2: sending, look-ups, conversations and people."""
