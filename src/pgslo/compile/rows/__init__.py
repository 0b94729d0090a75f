"""Rules over single rows, and over the schema: conditions, the mechanism for each, and what enforces them."""
