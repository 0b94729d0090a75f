"""What is the same for every format: rules of this language, SQL conditions, constants, patterns, types and spans."""
