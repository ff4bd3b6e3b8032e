"""The admin API under /api/v1: what a fund's own systems may do, in JSON (docs/api.md)."""
