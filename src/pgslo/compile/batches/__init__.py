"""Rules over batches: what is counted as rows come and go, what is kept of a batch, and the functions that measure it."""
