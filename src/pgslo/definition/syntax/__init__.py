"""How definitions are written: YAML with the place of each value, forms of rules, and the reader."""
