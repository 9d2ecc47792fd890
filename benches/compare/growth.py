"""What the proxy costs as work grows: grants, idle connections, streams, and handshakes with and without resumption."""

import statistics

import loads
import report

GRANTS = [10, 1000, 10_000]
CONNECTIONS = [10, 1000, 5000]
STREAMS = [1, 4, 16, 64, 256]


def measure(workshop, chosen):
    lines = [report.machine() + f"; medians of {chosen.rounds} rounds.", ""]
    lines += by_grants(workshop, chosen) + [""] + by_connections(workshop, chosen) + [""]
    lines += by_streams(workshop, chosen) + [""] + by_handshake(workshop, chosen)
    return "\n".join(lines)


def cpu(workshop, chosen, programs):
    """Medians of CPU time and rate by key, of interleaved runs of `(load, program)` by key."""
    samples = {key: [] for key in programs}
    for _ in range(chosen.rounds):
        for key, (load, program) in programs.items():
            samples[key].append(loads.run(workshop, load, program, chosen.seconds, 0.3))
    failed = [sample["failed"] for found in samples.values() for sample in found if "failed" in sample]
    if failed:
        raise SystemExit(failed[0])
    middle = lambda key, what: statistics.median(sample[what] for sample in samples[key])  # noqa: E731
    return {key: (middle(key, "cpu"), middle(key, "rate")) for key in programs}


def table(title, keys, rows):
    lines = [f"| {title} | " + " | ".join(f"{key:,}" if isinstance(key, int) else key for key in keys) + " |"]
    lines.append("|---|" + "---|" * len(keys))
    return lines + [f"| {name} | " + " | ".join(report.number(value) for value in values) + " |" for name, values in rows]


def by_grants(workshop, chosen):
    programs = {}
    for count in GRANTS:
        arguments = ("--connections", "32", "--prefixes", str(count))
        programs[count] = (loads.Load("grants", "", arguments), workshop.start("proxy", grants=count))
    try:
        found = cpu(workshop, chosen, programs)
    finally:
        for _, program in programs.values():
            program.stop()
    return table("grants of the identity", GRANTS, [("CPU µs a request", [found[count][0] for count in GRANTS])])


def by_connections(workshop, chosen):
    memory = []
    for count in CONNECTIONS:
        program = workshop.start("proxy", connections=count)
        memory.append(loads.idle_memory(workshop, program, count, 1 if chosen.quick else 6)[1])
        program.stop()
    return table("idle connections", CONNECTIONS, [("memory, MiB", memory)])


def by_streams(workshop, chosen):
    program, programs = workshop.start("proxy"), {}
    for count in STREAMS:
        arguments = ("--connections", "1", "--streams", str(count))
        programs[count] = (loads.Load("streams", "", arguments), program)
    try:
        found = cpu(workshop, chosen, programs)
    finally:
        program.stop()
    rows = [("requests a second", [found[count][1] for count in STREAMS])]
    rows.append(("CPU µs a request", [found[count][0] for count in STREAMS]))
    return table("streams of one HTTP/2 connection, GET 1 KiB", STREAMS, rows)


def by_handshake(workshop, chosen):
    program = workshop.start("proxy")
    wanted = {load.name: (load, program) for load in loads.LOADS if load.name in ("new", "resumed")}
    try:
        found = cpu(workshop, chosen, wanted)
    finally:
        program.stop()
    return table("new connection and GET 1 KiB", list(wanted), [("CPU µs", [found[name][0] for name in wanted])])
