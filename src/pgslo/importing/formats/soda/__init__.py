"""Readers of Soda's checks: SodaCL of version 3, and contracts of version 4."""
