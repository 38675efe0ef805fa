"""The picture of recorded turns: each part of the wait as a bar at its time, in the colour of its owner.

Used by `draw`. Pure: the content of `waterfall.json` in, SVG out.
"""

from collections.abc import Iterator
from html import escape
from typing import Any

from voicecall.call.waits import OWNERS, Owner, Span

WIDTH, LEFT, RIGHT, ROW, HEAD, TOP = 900, 178, 60, 20, 34, 46
COLOURS = {Owner.SETTING: "#8a8f98", Owner.SERVICE: "#3b7dd8", Owner.US: "#d9822b", Owner.CARRIER: "#4c9a5b"}
MEANINGS = {
    Owner.SETTING: "a pause that is waited for",
    Owner.SERVICE: "recognition, agent, voice",
    Owner.US: "voicecall",
    Owner.CARRIER: "playing in real time",
}


def svg(recorded: dict[str, Any]) -> str:
    """All turns below each other, on one scale."""
    longest = max(sum(turn["spans"].values()) for turn in recorded["turns"])
    per_ms = (WIDTH - LEFT - RIGHT) / longest
    lines, y = list(_legend()), TOP
    for turn in recorded["turns"]:
        lines += _turn(turn, y, per_ms)
        y += HEAD + ROW * len(_parts(turn)) + 14
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12">'
    page = f'<rect width="{WIDTH}" height="{y}" rx="6" fill="#ffffff"/>'
    return "\n".join([head, page, *lines, "</svg>", ""])


def _legend() -> Iterator[str]:
    x = 16
    for owner, colour in COLOURS.items():
        text = f"{owner}: {MEANINGS[owner]}"
        yield f'<rect x="{x}" y="16" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 18}" y="26" fill="#24292f">{escape(text)}</text>'
        x += 34 + round(6.3 * len(text))


def _turn(turn: dict[str, Any], y: int, per_ms: float) -> Iterator[str]:
    wait_ms = sum(turn["spans"].values())
    yield f'<text x="16" y="{y + 20}" fill="#24292f" font-weight="bold">{escape(turn["title"])}: {wait_ms} ms</text>'
    y, begins_ms = y + HEAD, 0
    for span, ms in _parts(turn):
        name = f"{span} · {' + '.join(turn['tools'])}" if span is Span.TOOL else span.value
        x, width = LEFT + begins_ms * per_ms, max(1.5, ms * per_ms)
        yield f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end" fill="#57606a">{escape(name)}</text>'
        yield f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{ROW - 5}" fill="{COLOURS[OWNERS[span]]}"/>'
        yield f'<text x="{x + width + 5:.1f}" y="{y + 13}" fill="#24292f">{ms}</text>'
        y, begins_ms = y + ROW, begins_ms + ms


def _parts(turn: dict[str, Any]) -> list[tuple[Span, int]]:
    """Those that took any time."""
    return [(span, turn["spans"][span.value]) for span in Span if turn["spans"].get(span.value)]
