"""`python3 dev.py bench [NAME …] [--quick] [--against PEER]`: measure, show the table, keep the JSON."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator

from bench import (
    exports,
    flood,
    fund,
    grow,
    imports,
    letters,
    memory,
    pages,
    persons,
    portal_calls,
    register,
    scale,
    signin,
    start,
)
from bench.report import Report
from bench.tasks import CALLS
from idp.web import log

MEASUREMENTS: dict[str, Callable[..., Report]] = {
    "pages": pages.measure, "memory": memory.measure, "start": start.measure,
    "flood": flood.measure, "persons": persons.measure, "imports": imports.measure, "letters": letters.measure,
    "exports": exports.measure,
    "fund": fund.measure, "grow": grow.measure,
    "signin": signin.measure, "register": register.measure, "scale": scale.measure,
}  # fmt: skip
SHORT = {"portal_calls": tuple(CALLS), "import": ("imports",), "lists": ("persons",)}  # one word for others
NAMES = (*MEASUREMENTS, *CALLS, *SHORT)


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all when none is said")
    parser.add_argument("--quick", action="store_true", help="a few rounds only, to see that it works")
    parser.add_argument(
        "--against", action="append", default=[], choices=portal_calls.AGAINST,
        help="whom the calls of portals are held against, more than once if wanted; all when none is said",
    )  # fmt: skip
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    wanted = [one for name in options.names or [*MEASUREMENTS, *CALLS] for one in SHORT.get(name, (name,))]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before it was done"))  # and the servers with it
    log.configure("error")  # a table of figures is no place for lines about slow statements
    try:
        for report in _reports(wanted, quick=options.quick, against=options.against):
            report.show()
            print(f"  kept in bench/results/{report.keep().name}", flush=True)
    except RuntimeError as error:  # the log, which holds nothing back but secrets, would not say it
        sys.exit(str(error))


def _reports(names: list[str], *, quick: bool, against: list[str]) -> Iterator[Report]:
    """The calls of portals come last and together, for their servers start once for all."""
    for name in names:
        if name in MEASUREMENTS:
            yield MEASUREMENTS[name](quick=quick)
    if calls := [name for name in names if name in CALLS]:
        yield from portal_calls.measure(calls, quick=quick, against=against)


if __name__ == "__main__":
    main()
