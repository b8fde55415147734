"""A project's ledgers: where they lie, and whether one is an old copy or has moved."""
