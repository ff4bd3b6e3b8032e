"""The OAuth and OpenID Connect rules, one concern per file."""
