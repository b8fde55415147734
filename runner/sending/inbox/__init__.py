"""Questions to Inbox beside a lane: replies, people whom the team knows, tags."""
