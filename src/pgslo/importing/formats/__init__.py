"""One reader for each format: it counts the checks of its files before it maps them."""
