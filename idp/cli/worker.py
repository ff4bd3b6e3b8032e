"""`connect worker`: delivery and housekeeping in a process of its own."""

from __future__ import annotations

import gc
import signal
import threading

import click
from flask import current_app

from idp.cli.context import at_work
from idp.services.delivery import Worker
from idp.web import log


@click.command(epilog="Example: connect worker")
def worker() -> None:
    """Deliver mail and SMS, clean up and rotate keys, until told to stop; several may run.

    Needed beside web processes that run with CONNECT_EMBEDDED_WORKER=false.
    """
    with at_work() as bundle:
        log.configure(bundle.settings.log_level)
        bundle.metrics.start()
        bundle.spans.start()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        gc.freeze()  # looking through all that is loaded again and again takes longer than rows may be held meanwhile
        Worker(current_app._get_current_object()).run_forever(stop)  # type: ignore[attr-defined]
