"""Runs `connect` with a lease so short that a test can wait for its end: `python -m tests.support.hasty 2 worker`."""

from __future__ import annotations

import sys
from datetime import timedelta

from idp.cli.main import main
from idp.services import delivery, exporter, import_job

if __name__ == "__main__":
    delivery.LEASE = import_job.LEASE = exporter.LEASE = timedelta(seconds=float(sys.argv[1]))
    main(sys.argv[2:], prog_name="connect")
