"""The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from featurestore.lineage.text import moment, short
from featurestore.lineage.timeline import sentence

if TYPE_CHECKING:
    from featurestore.lineage.report import Found, OwnerReport, Report
    from featurestore.model.profile import ColumnProfile
    from featurestore.model.sketches import Histogram

__all__ = ["to_html"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { margin-top: 2.5rem; border-bottom: 2px solid #d5dde5; } h3 { font-size: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; vertical-align: top; }
th { border-bottom: 1px solid #9aa8b5; } tr + tr td { border-top: 1px solid #e6ecf1; }
.blocking { color: #a4161a; font-weight: 600; } .warning { color: #9a6700; } .notice { color: #51606e; }
figure { display: inline-block; margin: .5rem 1.5rem .5rem 0; } figcaption { font-size: 13px; }
.before { fill: #8fa3b5; } .after { fill: #1f6feb; } text { font-size: 11px; fill: #51606e; }
code { font-family: ui-monospace, monospace; font-size: 13px; }
"""
_WIDTH, _HEIGHT, _FOOT = 300, 90, 16
_BARS, _TOP = 30, 8
_ABSENT = ("nulls", "empties", "blanks", "nans")


def to_html(report: Report) -> str:
    """Return the page: a section an owner, and a picture of each column in which something was found."""
    title = "Features: what changed, and whom it reaches"
    body = "".join(_owner(owner) for owner in report.owners)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1><p>{escape(report.headline)}</p>{body}</body></html>\n"
    )


def _owner(owner: OwnerReport) -> str:
    return f"<section><h2>{escape(owner.name)}</h2>{''.join(_sections(owner))}</section>"


def _sections(owner: OwnerReport) -> Iterator[str]:
    if owner.found:
        rows = [
            (
                escape(moment(item.at)),
                f'<span class="{item.finding.severity}">{item.finding.severity}</span>',
                f"<code>{escape(item.finding.subject)}</code>",
                escape(item.finding.text),
                escape(", ".join([*item.finding.models, *item.finding.endpoints]) or "-"),
            )
            for item in owner.found
        ]
        yield _table("Found in the data", ("when", "severity", "what", "how", "reaches"), rows)
        yield "".join(_picture(item) for item in owner.found)
    if owner.held:
        held = [
            (
                f"<code>{escape(item.version)}</code>",
                f"<code>{short(item.snapshot)}</code>",
                "<br>".join(escape(str(reason)) for reason in item.quarantine.reasons),
            )
            for item in owner.held
        ]
        yield _table("In quarantine", ("version", "snapshot", "why"), held)
    if owner.changes:
        listed = [
            (escape(moment(item.at)), escape(sentence(item)), escape(item.actor), escape(item.reason or "-"))
            for item in owner.changes
        ]
        yield _table("Changed", ("when", "what", "who", "why"), listed)
    if owner.stale:
        stale = [
            (f"<code>{escape(item.model)}</code>", escape(item.endpoint), escape(reason.kind), escape(reason.text))
            for item in owner.stale
            for reason in item.reasons
        ]
        yield _table("Stale models", ("model", "endpoint", "class", "what"), stale)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    names = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h3>{title}</h3><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


# --------------------------------------------------------------------------------------------------------- pictures


def _picture(item: Found) -> str:
    """Return the column before and after: numbers as a histogram, texts by their most frequent values."""
    before, after = item.before, item.after
    if after is None:
        return ""
    if after.histogram is not None and after.histogram.counts:
        drawn = _numbers(before, after)
    else:
        drawn = _values(before, after)
    if not drawn:
        return ""
    caption = f"<code>{escape(item.finding.subject)}</code> {escape(item.finding.kind)}"
    said = f"{item.finding.subject}, share of rows, before (grey) and after (blue)"
    return (
        f'<figure><svg role="img" width="{_WIDTH}" height="{_HEIGHT + _FOOT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT + _FOOT}"><title>{escape(said)}</title>{drawn}</svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _numbers(before: ColumnProfile | None, after: ColumnProfile) -> str:
    """Draw two histograms over one range, from the first to the last percent of both."""
    sides = [one.histogram for one in (before, after) if one is not None and one.histogram is not None and one.values]
    low = min(side.quantile(0.01) for side in sides)
    high = max(side.quantile(0.99) for side in sides)
    if not low < high:
        return _values(before, after)
    edges = [low + (high - low) * place / _BARS for place in range(_BARS + 1)]
    shares = [_shares(side, edges) for side in sides]
    labels = [(0, "start", f"{low:.4g}"), (_WIDTH, "end", f"{high:.4g}")]
    return _bars(shares, labels, both=len(sides) > 1)


def _shares(histogram: Histogram, edges: Sequence[float]) -> list[float]:
    ranks = [histogram.rank(edge) for edge in edges]
    return [upper - lower for lower, upper in pairwise(ranks)]


def _values(before: ColumnProfile | None, after: ColumnProfile) -> str:
    """Draw the shares of absent values, then those of the most frequent values of both."""
    sides = [one for one in (before, after) if one is not None and one.rows]
    names = [name for name in _ABSENT if any(getattr(side, name) for side in sides)]
    values = [value for side in sides if side.top is not None for value in dict(side.top.values)][: 2 * _TOP]
    shown = [*dict.fromkeys(value for value in values if value != "")][:_TOP]
    if not names and not shown:
        return ""
    shares = [
        [
            *(side.share(name) for name in names),
            *(side.top.count(value) / side.rows if side.top is not None else 0.0 for value in shown),
        ]
        for side in sides
    ]
    step = _WIDTH / (len(names) + len(shown))
    texts = [*names, *(str(value) for value in shown)]
    labels = [(step * (place + 0.5), "middle", text[:8]) for place, text in enumerate(texts)]
    return _bars(shares, labels, both=len(sides) > 1)


def _bars(shares: Sequence[Sequence[float]], labels: Iterable[tuple[float, str, str]], *, both: bool) -> str:
    """Draw one or two rows of bars side by side, the tallest as high as the picture."""
    tallest = max((share for row in shares for share in row), default=0.0) or 1.0
    step = _WIDTH / len(shares[0])
    width = step / (2 if both else 1) * 0.9
    drawn = []
    for number, row in enumerate(shares):
        side = "before" if both and number == 0 else "after"
        for place, share in enumerate(row):
            height = _HEIGHT * max(share, 0.0) / tallest
            drawn.append(
                f'<rect class="{side}" x="{place * step + number * width:.1f}" y="{_HEIGHT - height:.1f}" '
                f'width="{width:.1f}" height="{height:.1f}"><title>{share:.2%}</title></rect>'
            )
    drawn += [
        f'<text x="{place:.1f}" y="{_HEIGHT + _FOOT - 4}" text-anchor="{anchor}">{escape(text)}</text>'
        for place, anchor, text in labels
    ]
    return "".join(drawn)
