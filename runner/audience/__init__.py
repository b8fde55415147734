"""The people of a campaign: `reading` its prospects, and `lists` of whom it never writes to."""
