"""The Inbox API, version 1: everything that goes with it when it goes."""
