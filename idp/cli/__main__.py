"""`python -m idp.cli`, the same as the installed `connect`."""

from idp.cli.main import run

run()
