"""wrk (a package of Debian) as the load: some connections that never pause, from a core of its own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.report import on_core

SCRIPT = Path(__file__).parent / "wrk.lua"
CONNECTIONS = 8
SPARE_S = 30


@dataclass(frozen=True)
class Call:
    """One kind of request. `VALUE` in authorization, body or cookie stands for a line of `values`: each used once, or
    all in turn.
    """

    method: str
    path: str
    authorization: str = ""
    body: str = ""
    values: Path | None = None
    in_turn: bool = False
    cookie: str = ""
    shows: str = ""  # what the Location of every answer must contain


@dataclass(frozen=True)
class Answered:
    per_second: float
    p50_ms: float
    p99_ms: float


def drive(origin: str, call: Call, *, seconds: int, core: int, connections: int = CONNECTIONS) -> Answered:
    """Raises `RuntimeError` where anything was refused or lost: a wrong answer is no measurement."""
    done = subprocess.run(
        [*on_core(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), origin, "--",
         call.method, call.path, call.authorization, call.body, call.cookie, str(call.values or "-"),
         "yes" if call.in_turn else "", call.shows],
        capture_output=True, text=True, timeout=seconds + SPARE_S,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"wrk could not run:\n{done.stdout}{done.stderr}")
    told = json.loads(done.stdout.splitlines()[-1])
    if told["refused"] or told["lost"] or told["short"] or not told["requests"]:
        raise RuntimeError(f"{call.method} {call.path} was answered wrongly: {told}")
    return Answered(told["requests"] / told["seconds"], told["p50_ms"], told["p99_ms"])
