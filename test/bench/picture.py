"""The tables as a picture: ratios to native as bars, seconds against the number of nodes as lines. Plain SVG."""

import html
import math

COLOURS = {"native": "#7f8c8d", "warm": "#2471a3", "touch": "#d68910", "direct": "#c0392b", "cold": "#2471a3"}
NAMES = {"native": "native", "warm": "Copper, warm", "touch": "Copper, first touch", "direct": "directly",
         "cold": "Copper, cold"}
WIDTH = 860
LINE = 34  # a row of bars
PANEL = 250


def text(x, y, words, anchor="start", colour="#222", size=12):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">'
            f"{html.escape(str(words))}</text>")


def line(x1, y1, x2, y2, colour="#ccc", width=1, dash=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"'
            + (f' stroke-dasharray="{dash}"' if dash else "") + "/>")


def svg(result):
    parts, height = [], 20
    for draw in (bars, lines):
        drawn, height = draw(result, height)
        parts += drawn
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def legend(kinds, y):
    parts, x = [], 250
    for kind in kinds:
        parts += [f'<rect x="{x}" y="{y - 10}" width="11" height="11" fill="{COLOURS[kind]}"/>',
                  text(x + 16, y, NAMES[kind])]
        x += 40 + 7 * len(NAMES[kind])
    return parts


def bars(result, top):
    """Time / native time, on a logarithmic scale; a mark at each target."""
    shown = [row for row in result.one_node_rows() if result.has(row, "native")]
    if not shown:
        return [], top
    ratios = {(row.name, kind): result.to_native(row, kind).value for row in shown for kind in ("warm", "touch")
              if result.has(row, kind)}
    left, right = 250, WIDTH - 60
    most = max(4, *ratios.values())

    def at(ratio):
        return left + (right - left) * math.log(max(ratio, 0.5) / 0.5) / math.log(most / 0.5)

    parts = [text(20, top, "Time / native time, one node", size=14), *legend(("warm", "touch"), top)]
    begin, end = top + 24, top + 24 + LINE * len(shown)
    for tick in (1, 2, 5, 10, 20, 50, 100):
        if tick <= most:
            parts += [line(at(tick), begin - 8, at(tick), end, "#222" if tick == 1 else "#ccc"),
                      text(at(tick), end + 14, tick, "middle", "#666")]
    for i, row in enumerate(shown):
        y = begin + LINE * i
        parts.append(text(left - 10, y + 17, row.title, "end"))
        for j, kind in enumerate(("warm", "touch")):
            if (row.name, kind) not in ratios:
                continue
            value, bar = ratios[row.name, kind], y + 2 + 13 * j
            begin_x, end_x = sorted((at(1), at(value)))
            mark = at(row.targets[kind].ratio) if kind in row.targets else 0
            parts += [f'<rect x="{begin_x:.1f}" y="{bar}" width="{max(1, end_x - begin_x):.1f}" height="11" '
                      f'fill="{COLOURS[kind]}"/>', text(max(end_x, mark) + 6, bar + 10, f"{value:.2f}", size=10)]
            if mark:
                parts.append(line(mark, bar - 1, mark, bar + 12, "#1e8449", 2))
    parts.append(text(right, end + 30, "green: the target", "end", "#1e8449", 11))
    return parts, end + 50


def round_step(about):
    """The next of 1, 2, 5, 10, ... of that size."""
    size = 10 ** math.floor(math.log10(about))
    return next(size * n for n in (1, 2, 5, 10) if size * n >= about)


def lines(result, top):
    """Seconds against nodes, a panel for each row on modelled storage."""
    parts = []
    counts = result.chosen.nodes
    shown = [row for row in result.node_rows() if len(counts) > 1]
    for i, row in enumerate(shown):
        series = {kind: [(n, result.median(row, kind, n)) for n in counts if result.has(row, kind, n)]
                  for kind in ("native", "direct", "cold")}
        most = max(value for points in series.values() for _, value in points) * 1.1
        left, right = 70, WIDTH - 160
        begin, end = top + 34 + PANEL * i, top + PANEL * i + PANEL - 46

        def x(n):
            return left + (right - left) * math.log2(n / counts[0]) / math.log2(counts[-1] / counts[0])

        def y(value):
            return end - (end - begin) * value / most  # noqa: B023

        parts.append(text(20, begin - 16, f"{row.title}: seconds against nodes that start at once, on modelled "
                                         f"{result.chosen.storage}", size=14))
        step = round_step(most / 4)
        for k in range(math.floor(most / step) + 1):
            parts += [line(left, y(k * step), right, y(k * step)),
                      text(left - 8, y(k * step) + 4, f"{k * step:g}", "end", "#666")]
        parts += [text(x(n), end + 16, n, "middle", "#666") for n in counts]
        for kind, points in series.items():
            if points:
                path = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in points)
                parts += [f'<polyline points="{path}" fill="none" stroke="{COLOURS[kind]}" stroke-width="2"/>',
                          *(f'<circle cx="{x(n):.1f}" cy="{y(value):.1f}" r="3" fill="{COLOURS[kind]}"/>'
                            for n, value in points)]
        # Labels at the lines' ends, pushed apart.
        last = math.inf
        for value, kind in sorted((points[-1][1], kind) for kind, points in series.items() if points):
            last = min(y(value) + 4, last - 14)
            parts.append(text(right + 10, last, NAMES[kind], colour=COLOURS[kind]))
    return parts, top + PANEL * len(shown) + (10 if shown else 0)
