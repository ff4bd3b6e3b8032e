"""`python3 dev.py bench [NAME …] [--quick]`: measure, show the table, keep the JSON."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bench import exports, flood, fund, imports, letters, memory, pages, persons, portal_calls, start
from bench.report import Report
from idp.web import log

MEASUREMENTS: dict[str, Callable[..., Report]] = {
    "pages": pages.measure, "memory": memory.measure, "start": start.measure,
    "flood": flood.measure, "persons": persons.measure, "imports": imports.measure, "letters": letters.measure,
    "portal_calls": portal_calls.measure,
    "exports": exports.measure,
    "fund": fund.measure,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}; all when none is said")
    parser.add_argument("--quick", action="store_true", help="a few rounds only, to see that it works")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASUREMENTS):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    log.configure("error")  # a table of figures is no place for lines about slow statements
    for name in options.names or MEASUREMENTS:
        report = MEASUREMENTS[name](quick=options.quick)
        report.show()
        print(f"  kept in bench/results/{report.keep().name}", flush=True)


if __name__ == "__main__":
    main()
