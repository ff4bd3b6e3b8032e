"""Tables and their queries, one file per table family."""
