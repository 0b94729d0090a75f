"""YAML as definitions use it: nodes that know their place, and what a value may look like."""
