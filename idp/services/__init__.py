"""Capabilities: one verb family per file, each handed its dependencies by idp/services/assembly.py."""
