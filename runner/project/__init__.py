"""Finding and opening what a command is about: campaign files, the ledger, the token."""
