"""The people of a campaign: `reading` its prospects; `suppression` of who is never written to."""
