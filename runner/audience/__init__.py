"""The people of a campaign: `reading` its prospects, and `suppression` of who is never written to."""
