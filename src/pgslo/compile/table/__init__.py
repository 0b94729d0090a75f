"""A definition with its table: what every part of the compiler knows, and whose code it may run."""
