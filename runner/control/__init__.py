"""The actions of people on campaigns, messages and the do-not-contact list, each with its audit
entry."""
