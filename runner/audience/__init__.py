"""The people of a campaign, row by row, and the do-not-contact lists."""
