"""Signed-in self-service."""
