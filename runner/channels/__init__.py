"""The Inbox API: one channel per version. Only this package and the sandbox know aiohttp."""
