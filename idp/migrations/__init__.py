"""Alembic's scripts; `idp/services/schema.py` runs them on the connection of the application."""
