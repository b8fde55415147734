"""Rate limits: the team's, each sender's and the API's own. Pure: time comes in from outside."""
