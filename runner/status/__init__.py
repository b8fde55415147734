"""The status of campaigns: counts, outlook, statistics, exported rows."""
