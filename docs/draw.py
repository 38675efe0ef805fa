# ruff: noqa: E501  the tables are read by columns
"""Redraw the generated parts of these documents from the code: `make draw`.

- `architecture.md`: four paths through the system. Each step names the function that takes it; a step whose function no
  longer exists fails the drawing.
- `cli.md`: every command, from its help, by `typer utils docs`.
- `configuration.md`: every key, and `generated/config.schema.json`: the same for programs.
- `metrics.md`: every metric, from the registry.
- `pictures/console-*.png`, `pictures/phone-*.png`: the pages over invented calls, where Chromium is installed.
- `state-machines.md`: the phases of a call, found by feeding every event to `decide` from every state it can reach;
  and the tables of `voicecall/call`: legs, answering machines, fail-over and timers.
- `waterfall.svg`: the turns of a recorded call (`waterfall.json`, which `record_turns.py` writes).
"""

import ast
import html
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import typer.cli
from prometheus_client.metrics import MetricWrapperBase
from typer.testing import CliRunner

from voicecall import metrics
from voicecall.call import events as e
from voicecall.call.amd import AMD
from voicecall.call.decide import TIMERS, decide
from voicecall.call.ids import E164, CallId, EffectId, Epoch, LegId, NodeId, RequestId, StreamId
from voicecall.call.leg import LEG
from voicecall.call.policy import OnMachine
from voicecall.call.recovery import RECOVERY
from voicecall.call.state import Call, Phase
from voicecall.settings.describe.reference import markdown
from voicecall.settings.describe.schema import schema

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))

from waterfall import svg  # noqa: E402  its folder must be on the path first


@dataclass(frozen=True)
class Step:
    """`who` acts on `whom`; `code` is "path:Class.function" of what does it."""

    who: str
    whom: str
    what: str
    code: str


WAYS: dict[str, tuple[Step, ...]] = {
    "1 · an inbound webhook": (
        Step("carrier", "ingress", "POST, signed", "ingress/webhooks.py:WebhookServer.handle"),
        Step("ingress", "ingress", "headers, size, time, signature", "ingress/webhooks.py:WebhookServer._pipeline"),
        Step("ingress", "ingress", "verify, parse (no I/O)", "voicecall/carriers/twilio/codec.py:Codec.verify"),
        Step("ingress", "ingress", "policy, before anything is rendered", "voicecall/call/admission.py:admit"),
        Step("ingress", "redis", "post: event, answer, token, one script", "voicecall/bus/log.py:RedisCallLog.post"),
        Step("ingress", "carrier", "200 and TwiML, after the post", "ingress/inbound.py:InboundCalls.receive"),
        Step("redis", "worker", "nudge, or a ring when the call has no owner", "actors/call_actor.py:CallActor.on_receive"),
    ),
    "2 · a media frame": (
        Step("carrier", "ingress", "20 ms of mu-law on the socket", "voicecall/carriers/twilio/media.py:Media.plain_reader"),
        Step("ingress", "redis", "bundled; under load the oldest is dropped", "voicecall/bus/media/bus.py:RedisMediaBus.send_audio"),
        Step("redis", "worker", "to the node that owns the call", "actors/listener.py:Listener.hear"),
        Step("worker", "speech", "audio", "voicecall/speech/stt/recognition.py:Recognition.open"),
        Step("speech", "worker", "a transcript, as an event", "voicecall/call/turns.py:heard"),
        Step("worker", "redis", "the reply's audio, sentence by sentence", "actors/speaker.py:Speaker"),
        Step("ingress", "carrier", "paced frames, marks, clear", "ingress/playout.py:Playout"),
    ),
    "3 · `voicecall.initiate`": (
        Step("agent", "gateway", "request frame, token", "gateway/rpc.py:Rpc.answer"),
        Step("gateway", "redis", "a slot among the live calls, then Placed", "voicecall/service/calls.py:CallService.initiate"),
        Step("gateway", "worker", "ring (a dramatiq job)", "workers/jobs.py:ring"),
        Step("worker", "redis", "lease, epoch + 1, snapshot, rest of the log", "voicecall/bus/lease.py:RedisLeases.acquire"),
        Step("worker", "worker", "decide: Dial", "voicecall/call/leg.py:placed"),
        Step("worker", "redis", "commit, with Dial pending", "voicecall/bus/log.py:RedisCallLog.commit"),
        Step("worker", "carrier", "dial, once", "voicecall/carriers/twilio/control.py:Control.dial"),
        Step("worker", "redis", "Dialled: commit, answer, feed", "actors/call_actor.py:CallActor._one_step"),
        Step("redis", "gateway", "the answer, or a poll of the snapshot", "voicecall/bus/feed/feed.py:Feed.wait_answer"),
        Step("gateway", "agent", "result frame", "gateway/rpc.py:Rpc.answer"),
    ),
    "4 · a crash": (
        Step("worker", "redis", "kill -9: its subscription is gone at once", "voicecall/bus/nodes.py:NodeChannel"),
        Step("other worker", "redis", "sweep: list calls without an owner", "workers/sweeper.py:Sweeper.sweep"),
        Step("other worker", "redis", "take the lease, epoch + 1", "voicecall/bus/lease.py:RedisLeases.acquire"),
        Step("other worker", "other worker", "fold the rest of the log, then Reactivated", "voicecall/call/recovery.py:reactivated"),
        Step("other worker", "ingress", "attach: audio of the old epoch is dropped", "ingress/playout.py:Playout"),
        Step("other worker", "carrier", "look up what is unknown; never dial twice", "voicecall/call/leg.py:find_leg"),
    ),
}  # fmt: skip


def drawn() -> dict[Path, str]:
    """The text of every page with a generated part, and of the schema. Exits when a step names a missing function."""
    missing = [step.code for steps in WAYS.values() for step in steps if not _exists(step.code)]
    if missing:
        sys.exit("these steps of docs/draw.py name functions that do not exist:\n  " + "\n  ".join(missing))
    parts = [
        ("architecture.md", "ways", "\n".join(_way(title, steps) for title, steps in WAYS.items())),
        ("state-machines.md", "phases", phases()),
        ("state-machines.md", "tables", tables()),
        ("configuration.md", "keys", markdown()),
        ("cli.md", "commands", commands()),
        ("metrics.md", "metrics", _metrics()),
    ]
    pages = {DOCS / page: (DOCS / page).read_text(encoding="utf-8") for page, _, _ in parts}
    for page, mark, text in parts:
        pages[DOCS / page] = _filled(pages[DOCS / page], mark, text)
    config = json.dumps(schema(), indent=2, ensure_ascii=False)
    picture = svg(json.loads((DOCS / "waterfall.json").read_text(encoding="utf-8")))
    return {**pages, DOCS / "generated" / "config.schema.json": f"{config}\n", DOCS / "waterfall.svg": picture}


def main() -> None:
    """Rewrite the pages between their marks."""
    for page, text in drawn().items():
        page.write_text(text, encoding="utf-8")
        print(f"drew {page.relative_to(ROOT)}")  # noqa: T201 - it is a command
    sys.path.insert(0, str(ROOT))
    from console_pictures import draw_console
    from phone_pictures import draw_phone

    for line in (*draw_console(), *draw_phone()):
        print(line)  # noqa: T201 - as above


def commands() -> str:
    """A section for each command: typer's own documentation of the app, without its first page."""
    words = ["--app", "app", "voicecall.cli", "utils", "docs", "--name", "voicecall"]
    page = CliRunner().invoke(typer.cli.app, words).stdout
    return "## " + html.unescape(page).partition("\n## ")[2].rstrip() + "\n"


def _way(title: str, steps: tuple[Step, ...]) -> str:
    names = list(dict.fromkeys(name for step in steps for name in (step.who, step.whom)))
    lines = [f"### {title}", "", "```mermaid", "sequenceDiagram"]
    lines += [f"  participant {_id(name)} as {name}" for name in names]
    lines += [f"  {_id(step.who)}->>{_id(step.whom)}: {step.what}" for step in steps]
    lines += ["```", "", "| step | where |", "|---|---|"]
    lines += [f"| {step.what} | [`{step.code}`](../{step.code.split(':')[0]}) |" for step in steps]
    return "\n".join([*lines, ""])


def _id(name: str) -> str:
    return name.replace(" ", "_")


def _exists(code: str) -> bool:
    path, _, names = code.partition(":")
    if not (ROOT / path).exists():
        return False
    body: list[ast.stmt] = ast.parse((ROOT / path).read_text()).body
    for name in names.split("."):
        found = [
            n for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and n.name == name
        ]
        if not found:
            return False
        body = found[0].body
    return True


def _metrics() -> str:
    lines = ["| metric | type | labels | shown by | meaning |", "|---|---|---|---|---|"]
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "none"  # noqa: SLF001 - not public
            (family,) = metric.describe()
            if family.type == "info":
                labels = "`version`, `python`, `role`"
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            roles = metrics.roles_of(metric)
            by = "all" if roles == metrics.ROLES else ", ".join(roles)
            lines.append(f"| `{family.name}{suffix}` | {family.type} | {labels} | {by} | {family.documentation} |")
    return "\n".join(lines)


# --- the phases, as `decide` has them ---------------------------------------------------------------------------------

_CALL = CallId("00000000-0000-4000-8000-000000000000")
_LEG = LegId("leg")
_NUMBERS = {"from_": E164("+15550001000"), "to": E164("+15550002000")}


def _catalogue() -> list[e.Event]:
    """One of every event, and of those that can mean different things one of each."""
    request = RequestId("r")
    return [
        e.Dialled(leg=_LEG),
        e.DialRefused(code="", message=""),
        e.DialLost(),
        e.Ringing(leg=_LEG),
        e.Answered(leg=_LEG),
        e.Answered(leg=_LEG, by=e.AnsweredBy.MACHINE),
        e.GreetingEnded(leg=_LEG),
        e.HungUp(leg=_LEG),
        e.LegSeen(status=e.LegStatus.ENDED),
        e.StreamOpened(stream=StreamId("s"), ingress=NodeId("d"), leg=_LEG, pauses=True),
        e.StreamClosed(stream=StreamId("s")),
        e.StreamUnusable(leg=_LEG, reason=""),
        e.SpeechStarted(),
        e.Heard(text="words"),
        e.PlaybackBegan(utterance=1),
        e.PlaybackDone(utterance=1, heard_ms=1, total_ms=1, complete=True),
        e.AgentSaid(turn=1, text="words"),
        e.AgentDone(turn=1),
        e.AgentFailed(turn=1, reason=""),
        e.SpeakRequested(request=request, text="words"),
        e.EndRequested(request=request),
        e.Reactivated(epoch=Epoch(2)),
        *(e.CommandDone(effect=EffectId(f"{_CALL}.{n}")) for n in range(1, 7)),
        *(e.TimerFired(timer=timer) for timer in e.Timer),
    ]


def phases() -> str:
    """The diagram and the table of the phases, as `state-machines.md` shows them."""
    placed = e.Placed(carrier="any", mode=e.Mode.CONVERSATION, message="words", request=RequestId("p"), **_NUMBERS)
    arrived = e.Arrived(carrier="any", leg=_LEG, from_="+1", to="+2", greeting="words")
    away = e.CallRejected(carrier="any", leg=_LEG, from_="+1", to="+2", reason="inbound-policy")
    watched = [replace(placed, policy=e.CallPolicy(on_machine=what)) for what in e.OnMachine]
    edges = sorted(set(_edges((placed, *watched, arrived, away))))
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"  {_state(a)} --> {_state(b)}: {why}" for a, b, why in _grouped(edges)]
    lines += ["```", "", "| from | event | to |", "|---|---|---|"]
    lines += [f"| {a or 'nothing'} | {why} | {b} |" for a, b, why in _grouped(edges)]
    return "\n".join(lines) + "\n"


def _edges(births: Iterable[e.Event]) -> Iterable[tuple[str, str, str]]:
    """Breadth first over everything `decide` can reach in a few events, one representative of each kind of state."""
    frontier: list[Call | None] = [None]
    seen: set[object] = set()
    for _ in range(7):
        following: list[Call | None] = []
        for call in frontier:
            for event in births if call is None else _catalogue():
                at = 1.0 if call is None else max([call.last_event_at + 1, *call.timers.values()]) + 0.001
                if call is not None and not isinstance(event, e.TimerFired):
                    at = call.last_event_at + 0.001
                after, _effects = decide(call, replace(event, at=at), _CALL)
                if after is None:
                    continue
                before = "" if call is None else call.phase.value
                if before != after.phase.value:
                    yield before, after.phase.value, _name(event)
                if not after.is_over and (kind := _kind(after)) not in seen:
                    seen.add(kind)
                    following.append(after)
        frontier = following


def _kind(call: Call) -> object:
    return (
        call.phase, call.direction, call.policy.on_machine, call.is_machine, call.amd.awaiting_beep, call.leg, call.stream, call.ending, call.reply_due, call.playback.hangup_after, call.floor.failures,
        tuple((u.cut, u.began_at is None) for u in call.utterances), tuple(sorted(x.name for x in call.pending.values())),
    )  # fmt: skip


def _name(event: e.Event) -> str:
    match event:
        case e.TimerFired(timer=timer):
            return f"TimerFired {timer}"
        case e.Answered(by=e.AnsweredBy.MACHINE):
            return "Answered by a machine"
        case _:
            return event.name


def _grouped(edges: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    pairs = dict.fromkeys((a, b) for a, b, _ in edges)
    return [(a, b, ", ".join(why for x, y, why in edges if (x, y) == (a, b))) for a, b in pairs]


def _state(phase: str) -> str:
    return phase.replace("-", "_") or "[*]"


# --- the tables of the rules ------------------------------------------------------------------------------------------


def tables() -> str:
    """The tables that the rules read, as `state-machines.md` shows them."""
    live = [phase for phase in Phase if not phase.is_over]
    return "\n".join(
        [
            "### The leg (`LEG` in `voicecall/call/leg.py`)",
            "",
            "Where an event of the leg moves a call, by its phase; `-`: nowhere. `HungUp` ends a call with its own reason.",
            "",
            *_table(["event", *live], [[kind.name, *(LEG[kind].get(phase, "-") for phase in live)] for kind in LEG]),
            "### Answering machines (`AMD` in `voicecall/call/amd.py`)",
            "",
            "What is done for each AMD result, by `voicemail.onMachine`; no result in time counts as `human`.",
            "",
            *_table(["AMD result", *OnMachine], [[by, *(AMD[by][what].value for what in OnMachine)] for by in AMD]),
            "### Fail-over (`RECOVERY` in `voicecall/call/recovery.py`)",
            "",
            "What a new owner does with each effect whose outcome the last owner did not report.",
            "",
            *_table(["effect", "what is done"], [[kind.name, what.value] for kind, what in RECOVERY.items()]),
            "### Timers (`TIMERS` in `voicecall/call/decide.py`)",
            "",
            *_table(["timer", "rule", "what it does"], [[timer, *_rule(rule)] for timer, rule in TIMERS.items()]),
        ]
    ).rstrip("\n")


def _rule(rule: Callable[..., object]) -> tuple[str, str]:
    doc = (rule.__doc__ or "").strip().partition("\n")[0]
    return f"`{rule.__module__.rpartition('.')[2]}.{rule.__name__}`", doc


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def _filled(page: str, mark: str, text: str) -> str:
    begin, end = f"<!-- drawn: {mark} -->", f"<!-- end: {mark} -->"
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    main()
