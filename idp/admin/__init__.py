"""The console of the operators: one file per noun."""
