"""Controls: what stops, holds or bounds a lane while it is driven."""
