"""How definitions are written: the forms of rules and sections, and the reader."""
