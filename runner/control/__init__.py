"""What a person does to campaigns, messages and people, each with its audit entry."""
