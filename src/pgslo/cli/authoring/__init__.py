"""Commands for who writes definitions."""
