"""Commands for who trains on guarded tables."""
