"""The `connect` command line: one click group per noun."""
