"""How a campaign stands: counts, what it waits for, statistics, exported rows."""
