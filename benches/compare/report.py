"""What was measured, as Markdown and as a plot."""

import datetime
import html
import os
import pathlib
import platform
import statistics

import loads

TITLES = {"upstream": "upstream alone", "floor": "floor", "envoy": "Envoy 1.40", "proxy": "s3-access-proxy"}
COLOURS = {"upstream": "#c8c8c8", "floor": "#8c8c8c", "envoy": "#b05fa8", "proxy": "#1f77b4"}


def machine():
    """Where and when."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "CPU")
    date = datetime.date.today().isoformat()
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release().split('-')[0]}, loopback, {date}"


def number(value):
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def median(samples, key):
    return statistics.median(sample[key] for sample in samples)


def spread(samples, key):
    values = [sample[key] for sample in samples]
    text = number(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({number(min(values))}–{number(max(values))})"


def ratio(samples, load, name, other):
    mine, theirs = samples.get((load, name)), samples.get((load, other))
    if name == other or not good(mine) or not good(theirs):
        return "–"
    return f"{median(mine, 'cpu') / median(theirs, 'cpu'):.2f}"


def good(samples):
    return bool(samples) and not any("failed" in sample for sample in samples)


def summary(wanted, programs, samples, memory):
    """A row for each load: CPU time by program."""
    lines = [
        "| CPU time of the program | " + " | ".join(TITLES[name] for name in programs) + " |",
        "|---|" + "---|" * len(programs),
    ]
    for load in wanted:
        unit = "µs a request" if load.unit == "request" else "s a GiB"
        cells = []
        for name in programs:
            found = samples.get((load.name, name))
            cells.append(number(median(found, "cpu")) if good(found) else "–")
        lines.append(f"| {load.title}: {unit} | " + " | ".join(cells) + " |")
    if memory:
        cells = ["–" if not memory.get(name) else number(memory[name][1]) for name in programs]
        lines.append(f"| memory with {loads.IDLE_CONNECTIONS:,} idle connections: MiB | " + " | ".join(cells) + " |")
    return lines


def details(wanted, programs, samples, memory):
    """Everything, a row for each load and program."""
    lines = [
        "| load | program | requests or MiB a second (range) | CPU µs a request or s a GiB (range) "
        "| p50 · p99 · p99.9 ms | CPU ÷ floor | CPU ÷ Envoy |",
        "|---|---|---|---|---|---|---|",
    ]
    for load in wanted:
        for name in programs:
            found = samples.get((load.name, name))
            head = f"| {load.title} | {TITLES[name]} "
            if name in load.cannot:
                lines.append(f"{head}| cannot: {load.cannot[name]} | | | | |")
            elif not good(found):
                why = next(sample["failed"] for sample in found if "failed" in sample)
                lines.append(f"{head}| failed: {why[:120]} | | | | |")
            else:
                times = " · ".join(number(statistics.median(times)) for times in zip(*(s["times"] for s in found)))
                ratios = [ratio(samples, load.name, name, other) for other in ("floor", "envoy")]
                row = [spread(found, "rate"), spread(found, "cpu"), times, *ratios]
                lines.append(head + "| " + " | ".join(row) + " |")
    for name, found in memory.items():
        text = "failed: no answer" if not found else f"{number(found[0])} → {number(found[1])} MiB"
        lines.append(f"| {loads.IDLE_CONNECTIONS:,} idle connections: memory | {TITLES[name]} | {text} | | | | |")
    return lines


def markdown(wanted, programs, samples, memory):
    rounds = max((len(found) for found in samples.values()), default=0)
    head = f"{machine()}; medians of {rounds} interleaved rounds."
    short, long = (table(wanted, programs, samples, memory) for table in (summary, details))
    return "\n".join([head, "", *short, "", *long])


BAR, GAP, LEFT, WIDTH = 14, 18, 330, 460


def svg(wanted, programs, samples):
    """Bars of CPU time, each load to a scale of its own."""
    parts, top = [], 34
    for load in wanted:
        values = {n: median(samples[load.name, n], "cpu") for n in programs if good(samples.get((load.name, n)))}
        if not values:
            continue
        unit = "µs a request" if load.unit == "request" else "s a GiB"
        label = html.escape(load.title.replace(" connections", "×"))
        parts.append(f'<text x="8" y="{top + 11}" class="b">{label}</text><text x="8" y="{top + 26}">{unit}</text>')
        for name, value in values.items():
            width = value / max(values.values()) * WIDTH
            parts.append(f'<rect x="{LEFT}" y="{top}" width="{width:.0f}" height="{BAR - 2}" fill="{COLOURS[name]}"/>')
            parts.append(f'<text x="{LEFT + width + 5:.0f}" y="{top + 10}">{number(value)}</text>')
            top += BAR
        top += GAP
    legend = "".join(
        f'<rect x="{LEFT + 130 * i}" y="8" width="12" height="12" fill="{COLOURS[name]}"/>'
        f'<text x="{LEFT + 130 * i + 17}" y="18">{TITLES[name]}</text>'
        for i, name in enumerate(programs)
    )
    style = "text{font:11px sans-serif;fill:#222}.b{font-weight:bold}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="880" height="{top}" viewBox="0 0 880 {top}">'
        f'<style>{style}</style><rect width="880" height="{top}" fill="#fff"/>'
        f'<text x="8" y="18" class="b">CPU time of the program</text>{legend}{"".join(parts)}</svg>\n'
    )
