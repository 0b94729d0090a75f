"""Commands for who watches over guarded tables."""
