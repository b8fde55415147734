"""The people of a campaign: `reading` its prospects, and `suppression` of whom it never writes to."""
