"""Commands for who brings definitions to a database, and takes them out."""
