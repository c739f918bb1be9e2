"""The demonstration as a picture, drawn with rich."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from io import StringIO

from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from callboard.cli.demo.report import BOUND, Report
from callboard.cli.demo.stage import Picture

WIDTH = 100
"""Columns of a picture in a file."""
_BLANK = 6
"""Lines that the log always takes."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_TOP = 0.025
"""Seconds at which the curve of latencies is at its highest."""
_INDENTED = re.compile(
    r'x="([\d.]+)"( y="[^"]*") textLength="([\d.]+)"([^>]*)>((?:&#160;)+)([^<]*)<'
)
_FONT = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)


def draw(picture: Picture) -> RenderableType:
    """A demonstration under way."""
    if not picture.landscape:
        return Text(f"{picture.phase} ...", style="dim")
    return Group(
        _notebook(picture),
        _progress(picture),
        _middle(picture),
        *_incident(picture),
        _actors(picture),
        _ledger(picture),
    )


def draw_report(picture: Picture, report: Report) -> RenderableType:
    """A demonstration that has ended."""
    style = "red" if report.broken else "green"
    text = Text("\n".join(report.lines))
    text.highlight_regex(r"BROKEN.*|all kept", f"bold {style}")
    text.highlight_regex(r"(?m)^(tick latency.*|[ a-z0-9]+?(?=  ))", "cyan")
    panel = Panel(text, title="what came of it", border_style=style, box=ROUNDED)
    return Group(_notebook(picture), _progress(picture), _actors(picture), panel)


def as_svg(drawing: RenderableType) -> str:
    """A drawing as SVG that refers to nothing outside of itself."""
    console = Console(
        record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(drawing)
    svg = _FONT.sub("", console.export_svg(title="callboard demo"))
    return _INDENTED.sub(_moved, svg)


def _moved(found: re.Match[str]) -> str:
    """A text that begins with blanks, without them and where it belongs: some programs take blanks away."""
    x, y, length, rest, blanks, text = found.groups()
    number, others = blanks.count("&"), len(unescape(text))
    width = float(length) / (number + others)
    return f'x="{float(x) + number * width:.1f}"{y} textLength="{others * width:.1f}"{rest}>{text}<'


def _notebook(picture: Picture) -> RenderableType:
    landscape, _, caption = picture.landscape.rpartition("\n")
    return Panel(
        Group(
            Text(picture.bar, style="magenta", no_wrap=True),
            Text(landscape, style="blue", no_wrap=True),
            Text(caption, style="bold"),
        ),
        title="examples/drag.py",
        subtitle=f"{picture.sent} values sent, {picture.shown} shown",
        border_style="dim",
        box=ROUNDED,
    )


def _progress(picture: Picture) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=24, no_wrap=True)
    grid.add_column(width=32)
    grid.add_column(no_wrap=True)
    grid.add_row(
        "dragging at 60 Hz",
        ProgressBar(picture.seconds, min(picture.at, picture.seconds), width=32),
        f"{picture.at:.1f} s",
    )
    style = {"installed": "green", "failed": "red"}.get(picture.package_status, "yellow")
    grid.add_row(
        Text.assemble("installing ", (picture.package, "bold")),
        ProgressBar(
            1.0,
            1.0 if picture.install_ended else 0.0,
            pulse=picture.install_began and not picture.install_ended,
            animation_time=picture.at,
            width=32,
        ),
        Text(f"{picture.install_seconds:.1f} s, {picture.package_status}", style=style),
    )
    return grid


def _middle(picture: Picture) -> RenderableType:
    lines = [line[:200] for line in picture.log]
    lines += [""] * (_BLANK - len(lines))
    log = Text("\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis")
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(width=44)
    grid.add_column(ratio=1)
    grid.add_row(
        Panel(_latencies(picture), title="tick latency", border_style="dim"),
        Panel(log, title="the installer's log", border_style="dim"),
    )
    return grid


def _incident(picture: Picture) -> list[RenderableType]:
    """The fault that is put in, if one is."""
    incident = picture.incident
    if incident is None:
        return []
    if incident.began is None:
        state, style = "is going to be put in", "dim"
    elif incident.ended is None:
        state, style = f"is at work since {incident.began:.1f} s", "bold red"
    else:
        state, style = f"is over: from {incident.began:.1f} s to {incident.ended:.1f} s", "green"
    where = f" in {incident.domain}" if incident.domain else ""
    lines = [*incident.lines[-_BLANK:], *[""] * (_BLANK - len(incident.lines))]
    body = Text.assemble((incident.name + where, "bold"), f": {incident.meaning}\n")
    body.append("\n".join(lines), "dim")
    body.no_wrap, body.overflow = True, "ellipsis"
    title = Text.assemble("the fault ", (state, style))
    return [Panel(body, title=title, border_style="red" if incident.at_work else "dim")]


def _latencies(picture: Picture) -> RenderableType:
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("ticks", "p50", "p99", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    rows = [("idle", picture.idle), ("installing", picture.installing)]
    if picture.incident is not None:
        rows.append(("disturbed", picture.disturbed))
    for name, figures in rows:
        table.add_row(
            name,
            str(figures.count),
            *(
                Text(f"{value * 1000:.1f}" if figures.count else "", style=_style(value))
                for value in (figures.p50, figures.p99, figures.max)
            ),
        )
    curve = Text(_curve(picture.recent), style="green", no_wrap=True)
    note = Text(f"milliseconds; the curve ends at {_TOP * 1000:.0f}", style="dim")
    return Group(table, Text(), curve, note)


def _style(latency: float) -> str:
    return "green" if latency <= BOUND else "bold red"


def _curve(latencies: Iterable[float]) -> str:
    return "".join(_BLOCKS[min(7, int(latency / _TOP * 8))] for latency in latencies)


def _actors(picture: Picture) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("actor", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("mailbox", "handled", "merged", "restarts", "wait p99", "run p99"):
        table.add_column(name, justify="right", no_wrap=True)
    aimed_at = "" if picture.incident is None else picture.incident.domain
    for actor in picture.actors:
        well = actor.state in ("running", "stopping", "stopped")
        table.add_row(
            Text.assemble(
                (actor.name, "bold" if actor.busy else ""),
                (" ⚡" if actor.name == aimed_at else "", "red"),
            ),
            Text(
                "busy" if actor.busy else actor.state,
                style="yellow" if actor.busy else "dim" if well else "bold red",
            ),
            f"{actor.depth}/{actor.capacity}",
            str(actor.handled),
            str(actor.superseded),
            Text(str(actor.restarts), style="red" if actor.restarts else ""),
            _short(actor.waits_p99),
            _short(actor.runs_p99),
            style="" if actor.busy or actor.handled else "dim",
        )
    return table


def _short(seconds: float) -> str:
    if seconds == 0:
        return ""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _ledger(picture: Picture) -> RenderableType:
    return Text(f"ledger: {picture.ledger}" if picture.ledger else "", style="dim")
