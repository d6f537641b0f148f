"""The folder of an export: staged, committed as a whole, locked, and recovered after a crash."""
