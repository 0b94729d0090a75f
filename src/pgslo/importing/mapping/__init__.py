"""The common part of all formats: rules of this language, SQL conditions, constants, patterns, types and spans."""
