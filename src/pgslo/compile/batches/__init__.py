"""Rules over batches: counts of rows as they come and go, the profile of a batch, and the functions that measure it."""
