"""The console in Chromium, on a real gateway with real Redis: every view and every button."""

import asyncio
import csv
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Locator, Page, expect

from gateway.web import assets
from simulators.staged_gateway import StagedGateway
from simulators.tones import encode_mulaw
from tests.archive.records import ANNA, OURS, call_id, record
from tests.browser.chromium import skip_without_chromium
from tests.browser.conftest import free_port
from tests.fakes.redis_server import RedisServer
from tests.fakes.tapped import tapped_ingress
from tests.gateway.conftest import TOKEN, System, stack
from voicecall.archive import CallArchive
from voicecall.bus.dead import DeadLetters
from voicecall.bus.scripts import Scripts
from voicecall.call import events as e
from voicecall.call.ids import CallId, Epoch, LegId
from voicecall.call.state import Phase

skip_without_chromium()
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

READER = "a-token-that-only-reads"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}\u202e\u0000 & </div>"
BERT = "+15550003011"
CARLA = "+15550004022"
ORDER = """name => [...document.querySelectorAll(".rows .row")]
    .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
    .map(row => name === "key" ? row.dataset.key : row.querySelector(`.${name}`).textContent)"""
"""What the rows show in a column, from the top; "key": the ids of their calls."""


@asynccontextmanager
async def opened(page: Page, redis_server: RedisServer, path: str = "", **more: Any) -> AsyncIterator[System]:
    """A gateway without a token, unless `more` says otherwise, and the page on it."""
    async with stack(redis_server.url, **{"token": None, **more}) as system:
        await page.goto(f"{system.url}/{path}")
        yield system


def rows(page: Page) -> Locator:
    return page.locator(".rows .row")


def said(page: Page, who: str) -> Locator:
    return page.get_by_role("log", name="Conversation").locator(f"li.{who}")


async def column(page: Page, name: str) -> list[str]:
    return list(await page.evaluate(ORDER, name))


async def confirm(page: Page, button: str) -> None:
    await page.get_by_role("dialog").get_by_role("button", name=button).click()


# --- live -----------------------------------------------------------------------------------------------------------


async def test_calls_appear_as_they_come_and_are_found_filtered_and_sorted(
    page: Page, redis_server: RedisServer
) -> None:
    """State, parties, worker and latency of each; what does not match is not in the document."""
    async with opened(page, redis_server) as system:
        await expect(page.get_by_text("No calls yet.")).to_be_visible()
        first = CallId(await system.initiate(to=BERT))
        system.worker.dial = "ring"
        ringing = asyncio.create_task(system.post("voicecall.initiate", {"message": "Hi", "to": CARLA}))
        await expect(rows(page)).to_have_count(2)
        await expect(rows(page).filter(has_text="listening")).to_have_count(1)
        await expect(rows(page).filter(has_text="ringing")).to_have_count(1)
        await expect(rows(page).first).to_contain_text("worker-small")
        await expect(page.get_by_role("region", name="Summary")).to_contain_text("2live calls")
        assert BERT not in await page.locator("main").inner_text()

        await page.get_by_role("searchbox", name="Search calls").fill(BERT[-6:])
        await expect(rows(page)).to_have_count(1)
        await expect(rows(page)).to_contain_text("listening")
        await page.get_by_role("searchbox", name="Search calls").fill("")
        await page.get_by_role("combobox", name="State").select_option("ringing")
        await expect(rows(page)).to_contain_text(["ringing"])
        await page.get_by_role("combobox", name="State").select_option("")
        await page.get_by_role("combobox", name="Direction").select_option("inbound")
        await expect(page.get_by_text("No call matches.")).to_be_visible()
        await page.get_by_role("combobox", name="Direction").select_option("outbound")

        head = page.get_by_role("columnheader", name="To")
        for direction, order in (("ascending", ["+15•••11", "+15•••22"]), ("descending", ["+15•••22", "+15•••11"])):
            await head.get_by_role("button").click()
            await expect(head).to_have_attribute("aria-sort", direction)
            assert await column(page, "to") == order

        await system.worker.hang_up(first)
        await expect(rows(page).filter(has_text="hangup-user")).to_have_count(1)
        await page.get_by_role("checkbox", name="just ended").uncheck()
        await expect(rows(page)).to_have_count(1)
        ringing.cancel()
        await asyncio.gather(ringing, return_exceptions=True)


async def test_the_table_is_used_with_the_keyboard(page: Page, redis_server: RedisServer) -> None:
    """One stop of Tab; arrows move, Enter opens; the focus stays on its call when others come."""
    async with opened(page, redis_server) as system:
        calls = [await system.initiate() for _ in range(3)]
        await expect(rows(page)).to_have_count(3)
        await expect(page.locator('.rows .row[tabindex="0"]')).to_have_count(1)
        await rows(page).first.focus()
        await page.keyboard.press("Home")
        order = await page.evaluate(ORDER, "key")
        for key, place in (
            ("ArrowDown", 1),
            ("ArrowDown", 2),
            ("ArrowUp", 1),
            ("End", 2),
            ("PageUp", 0),
            ("ArrowDown", 1),
        ):
            await page.keyboard.press(key)
            assert await page.evaluate("document.activeElement.dataset.key") == order[place]
        chosen = order[1]
        assert chosen in calls
        await system.initiate()
        await expect(rows(page)).to_have_count(4)
        assert await page.evaluate("document.activeElement.dataset.key") == chosen
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(f"#/call/{chosen}$"))


async def test_processes_and_take_overs_are_shown_as_they_happen(page: Page, redis_server: RedisServer) -> None:
    async with opened(page, redis_server) as system:
        call = CallId(await system.initiate())
        processes = page.get_by_role("region", name="Processes")
        await expect(processes).to_contain_text("worker-small")
        await expect(processes).to_contain_text("1 calls")
        await system.worker.log.post(call, (e.Reactivated(epoch=Epoch(2), cause=e.Takeover.DIED),))
        log = page.get_by_role("log", name="Take-overs")
        await expect(log).to_contain_text("its process died")
        await log.get_by_role("link", name=call[:8]).click()
        await expect(page).to_have_url(re.compile(call))
        await expect(said(page, "note").filter(has_text="another worker took over")).to_be_visible()


# --- a call ---------------------------------------------------------------------------------------------------------


async def test_a_conversation_is_shown_as_text_with_what_was_cut_set_apart(
    page: Page, redis_server: RedisServer
) -> None:
    """Whatever a caller says is text: no element of it comes into the document."""
    async with opened(page, redis_server) as system:
        call = CallId(await system.initiate(message="Good evening, how can I help?"))
        await page.goto(f"{system.url}/#/call/{call}")
        await expect(said(page, "agent")).to_contain_text(["Good evening, how can I help?"])
        await system.worker.hear(call, HOSTILE)
        await expect(said(page, "caller").locator(".bubble")).to_contain_text("<img src=x onerror=alert(1)>")
        assert await page.locator("main img, main .bubble script").count() == 0

        system.worker.speech = "endless"
        state = await system.worker.log.read(call)
        assert state is not None
        turn = state.turn
        await system.worker.log.post(call, (e.AgentSaid(turn=turn, text="We are open until ten tonight."),))
        await expect(said(page, "agent").filter(has_text="until ten")).to_be_visible()
        await system.worker.log.post(call, (e.SpeechStarted(), e.Heard(text="thank you")))
        utterance = state.playback.made + 1
        done = e.PlaybackDone(utterance=utterance, heard_ms=500, total_ms=1000, complete=False)
        await system.worker.log.post(call, (done,))
        bubble = said(page, "agent").last
        await expect(bubble.locator("del")).to_contain_text("ten tonight.")
        await expect(bubble).to_contain_text("cut")
        assert "ten tonight" not in (await bubble.locator(".bubble").evaluate("node => node.firstChild.textContent"))


async def test_a_call_has_facts_a_timeline_that_zooms_and_all_its_events(page: Page, redis_server: RedisServer) -> None:
    async with opened(page, redis_server) as system:
        call = CallId(await system.initiate(to=BERT))
        await system.worker.hear(call, "hello")
        await page.goto(f"{system.url}/#/call/{call}")
        facts = page.get_by_role("region", name="Facts")
        await expect(facts).to_contain_text(call)
        await expect(facts).to_contain_text("worker-small")
        lanes = page.locator(".lanes-scroll")
        await expect(lanes.locator(".mark.carrier").first).to_be_attached()
        await expect(lanes.locator(".mark.caller").first).to_be_attached()

        async def width() -> float:
            return float(await lanes.evaluate("node => node.scrollWidth"))

        whole = await width()
        await page.get_by_role("button", name="Zoom in").click()
        await page.get_by_role("button", name="Zoom in").click()
        assert await width() > 2 * whole
        await page.get_by_role("button", name="Zoom out").click()
        assert whole < await width() < 2 * whole
        await lanes.focus()
        await page.keyboard.press("+")
        assert await width() > 2 * whole
        await page.get_by_role("button", name="Show the whole call").click()
        assert await width() == whole

        events = page.get_by_role("region", name="Events")
        await events.get_by_text(re.compile(r"Events \(\d+\)")).click()
        for kind in ("Placed", "Answered", "Heard"):
            await expect(events.get_by_role("listitem").filter(has_text=kind).first).to_be_visible()


async def test_an_operator_says_something_presses_keys_and_ends_the_call(page: Page, redis_server: RedisServer) -> None:
    """Each answer is said on the page; ending asks first."""
    async with opened(page, redis_server) as system:
        call = CallId(await system.initiate())
        await page.goto(f"{system.url}/#/call/{call}")
        await page.get_by_role("textbox", name="Say on the call").fill("One moment please")
        await page.get_by_role("button", name="Say", exact=True).click()
        await expect(said(page, "agent").filter(has_text="One moment please")).to_be_visible()
        await expect(page.get_by_text("Say: done.")).to_be_visible()
        await page.get_by_role("textbox", name="Say on the call").fill("And again")
        await page.keyboard.press("Enter")
        await expect(said(page, "agent").filter(has_text="And again")).to_be_visible()

        await page.get_by_role("textbox", name="Guide the agent").fill("Offer a discount")
        await page.get_by_role("button", name="Guide", exact=True).click()
        await expect(page.get_by_text("Guide: done.")).to_be_visible()
        await expect(
            said(page, "note").filter(has_text="hint to the agent, unheard by the caller: Offer a")
        ).to_be_visible()
        await expect(said(page, "agent").filter(has_text="Offer a discount")).to_have_count(0)

        await page.get_by_text("Keys", exact=True).click()
        for key in "5#":
            await page.get_by_role("button", name=f"Press {key}", exact=True).click()
            await expect(page.get_by_text(f"Press {key}: done.")).to_be_visible()
        assert system.worker.digits == ["5", "#"]

        await page.get_by_role("button", name="End call").click()
        await confirm(page, "Cancel")
        assert await system.worker.log.phase(call) is not Phase.HANGUP_BOT
        await page.get_by_role("button", name="End call").click()
        await confirm(page, "End call")
        await expect(page.get_by_text("End: done.")).to_be_visible()
        await expect(page.locator(".call-head .badge")).to_have_text("hangup-bot")
        await expect(page.get_by_role("textbox", name="Say on the call")).to_be_hidden()
        await expect(page.get_by_role("button", name="Forget")).to_be_visible()


async def test_one_listens_in_and_each_side_has_its_level(page: Page, redis_server: RedisServer) -> None:
    """What sounds is decoded on its own side; the button ends it, and a lost gateway is connected to again."""
    loud, port = encode_mulaw("a sound that lasts")[:160], free_port()
    caller, agent = (page.get_by_role("meter", name=f"{side}'s level") for side in ("Caller", "Agent"))
    async with opened(page, redis_server, port=port) as system:
        call = await system.initiate()
        await page.goto(f"{system.url}/#/call/{call}")
        async with tapped_ingress(system.redis) as ingress:
            await expect(caller).to_be_hidden()
            await page.get_by_role("button", name="Listen in").click()
            ingress.caller = loud
            await level(caller, sounds=True)
            await level(agent, sounds=False)
            ingress.caller, ingress.agent = b"", loud
            await level(agent, sounds=True)
            await level(caller, sounds=False)
    await expect(page.get_by_text("Connecting again…")).to_be_visible()
    async with (
        stack(redis_server.url, token=None, port=port, keep=True) as system,
        tapped_ingress(system.redis) as ingress,
    ):
        ingress.caller = loud
        await level(caller, sounds=True)
        await page.get_by_role("button", name="Stop listening").click()
        await expect(caller).to_be_hidden()
        async with asyncio.timeout(20):
            while ingress.is_tapped:  # noqa: ASYNC110  another task ends it
                await asyncio.sleep(0.05)


async def level(meter: Locator, *, sounds: bool) -> None:
    """The meter rises, or falls to nothing."""
    async with asyncio.timeout(20):
        while (await meter.evaluate("meter => meter.value") > 0.3) is not sounds:  # noqa: ASYNC110  the page draws it
            await asyncio.sleep(0.1)


async def test_a_call_without_audio_says_why_there_is_nothing_to_hear(page: Page, redis_server: RedisServer) -> None:
    async with opened(page, redis_server, config={"streaming": {"enabled": False}}) as system:
        await page.goto(f"{system.url}/#/call/{await system.initiate()}")
        await page.get_by_role("button", name="Listen in").click()
        await expect(page.get_by_text("Nothing to hear: the carrier itself speaks and listens")).to_be_visible()
        await expect(page.get_by_role("button", name="Listen in")).to_be_visible()


async def test_what_is_refused_is_said_and_the_text_is_kept(page: Page, redis_server: RedisServer) -> None:
    async with opened(page, redis_server) as system:
        call = CallId(await system.initiate())
        await page.goto(f"{system.url}/#/call/{call}")
        await page.get_by_role("textbox", name="Say on the call").fill("** **")
        await page.get_by_role("button", name="Say", exact=True).click()
        await expect(page.get_by_text("Say: message has nothing to say")).to_be_visible()
        await expect(page.get_by_role("textbox", name="Say on the call")).to_have_value("** **")


@pytest.mark.parametrize("name", [call_id(7), "<b>bold", "%zz", "x" * 300])
async def test_an_unknown_call_is_named_as_such(page: Page, redis_server: RedisServer, name: str) -> None:
    """Whatever the address says, it is no markup, and it is not asked for again and again."""
    async with opened(page, redis_server, f"#/call/{name}"):
        await expect(page.get_by_text("There is no such call")).to_be_visible()
        assert await page.locator("main b").count() == 0


# --- ended calls ----------------------------------------------------------------------------------------------------


def archived(folder: Path, *records: dict[str, Any]) -> dict[str, Any]:
    """Configuration of a gateway whose archive holds these."""
    archive = CallArchive(f"sqlite:///{folder / 'calls.db'}")
    for one in records:
        archive.put(one)
    archive.close()
    return {"store": str(folder)}


async def test_an_ended_call_is_shown_from_the_archive_exported_and_forgotten(
    page: Page, redis_server: RedisServer, tmp_path: Path
) -> None:
    """The same view: conversation, timeline, waits; and no way to act on it."""
    spans = {"endpointing_wait": 240, "agent_first_token": 310, "tts_first_audio": 150}
    one = record(1)
    one["metadata"]["turnSpans"] = [{"turn": 1, "spans": spans}]
    one["transcript"][1]["text"] = HOSTILE.replace("\u0000", "")
    async with opened(page, redis_server, f"#/call/{call_id(1)}", config=archived(tmp_path, one)) as system:
        await expect(said(page, "agent")).to_contain_text(["Hello."])
        await expect(said(page, "caller")).to_contain_text(["<img src=x"])
        await expect(said(page, "note")).to_contain_text(["over: completed"])
        waits = page.get_by_role("region", name="Waits for replies")
        await expect(waits.get_by_role("listitem")).to_contain_text(["700 ms"])
        await expect(waits.locator(".track .span.tts-first-audio")).to_have_text("150")
        await expect(page.locator(".lanes-scroll .mark.agent")).to_have_count(1)
        await expect(page.get_by_role("region", name="Events")).to_contain_text("not kept any more")
        await expect(page.get_by_role("button", name="End call")).to_be_hidden()
        async with page.expect_download() as waiting:
            await page.get_by_role("button", name="Export").click()
        kept = json.loads((await (await waiting.value).path()).read_text(encoding="utf-8"))
        assert (kept["callId"], kept["to"]) == (call_id(1), ANNA)
        await page.get_by_role("button", name="Forget").click()
        await confirm(page, "Forget")
        await expect(page).to_have_url(re.compile("#/history$"))
        await expect(page.get_by_text("No ended call matches.")).to_be_visible()
        assert (await system.post("voicecall.status", {"callId": call_id(1)}))[1]["payload"] == {"found": False}


async def test_history_is_searched_exported_and_forgotten_by_number(
    page: Page, redis_server: RedisServer, tmp_path: Path
) -> None:
    """By number, time, direction and outcome; a caller's id that is a formula stays text in the spreadsheet."""
    calls = [
        record(1),
        record(2, to=BERT),
        record(3, direction="inbound", **{"from": "=cmd|' /C calc'!A0"}),
        record(4, state="no-answer", endReason="no-answer"),
    ]
    config = archived(tmp_path, *calls)
    async with opened(page, redis_server, "#/history", config=config) as system:
        await expect(rows(page)).to_have_count(4)
        search = page.get_by_role("form", name="Search")
        go = search.get_by_role("button", name="Search")
        await search.get_by_label("Number").fill(BERT)
        await go.click()
        await expect(rows(page)).to_have_count(1)
        await search.get_by_label("Number").fill("123")
        await go.click()
        await expect(page.get_by_role("alert").filter(has_text="number")).to_be_visible()
        await search.get_by_role("button", name="Clear").click()
        await expect(rows(page)).to_have_count(4)
        await search.get_by_label("Outcome").select_option("no-answer")
        await go.click()
        await expect(rows(page)).to_contain_text(["not answered"])
        await search.get_by_role("button", name="Clear").click()
        await search.get_by_label("Direction").select_option("inbound")
        await go.click()
        await expect(rows(page)).to_have_count(1)
        await search.get_by_role("button", name="Clear").click()
        await search.get_by_label("Until").fill("2025-06-15T15:08")  # the start of the second, UTC
        await go.click()
        await expect(rows(page)).to_have_count(1)
        await search.get_by_role("button", name="Clear").click()
        await search.get_by_label("From").fill("2025-06-15T15:10")
        await go.click()
        await expect(rows(page)).to_have_count(1)
        await search.get_by_role("button", name="Clear").click()
        await expect(rows(page)).to_have_count(4)

        async with page.expect_download() as waiting:
            await page.get_by_role("button", name="Export JSON lines").click()
        lines = (await (await waiting.value).path()).read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["callId"] for line in lines] == [call_id(number) for number in (4, 3, 2, 1)]
        assert json.loads(lines[-1]) == record(1)
        async with page.expect_download() as waiting:
            await page.get_by_role("button", name="Export CSV").click()
        text = (await (await waiting.value).path()).read_text(encoding="utf-8")
        table = list(csv.DictReader(text.splitlines()))
        assert table[1]["from"].startswith("'=cmd")
        assert (table[2]["to"], table[3]["from"]) == (BERT, OURS)

        await page.get_by_role("button", name="Forget number…").click()
        await page.get_by_role("dialog").get_by_role("textbox", name="Number").fill(BERT)
        await confirm(page, "Forget")
        await expect(page.get_by_text("Deleted: 1. To be deleted when they end: 0.")).to_be_visible()
        await expect(rows(page)).to_have_count(3)
        await rows(page).first.click()
        await expect(page).to_have_url(re.compile("#/call/"))
        assert await system.redis.ping()


async def test_ten_thousand_archived_calls_come_page_by_page(
    page: Page, redis_server: RedisServer, tmp_path: Path
) -> None:
    """The document holds the rows in view; scrolling to the end asks for the next page; the export has all."""
    config = archived(tmp_path)
    _fill(tmp_path / "calls.db", 10_000)
    async with opened(page, redis_server, "#/history", config=config):
        await expect(page.get_by_text("100 so far")).to_be_visible()
        scroller = page.locator(".scroller")
        for loaded in range(200, 1100, 100):
            await scroller.evaluate("node => { node.scrollTop = node.scrollHeight; }")
            await expect(page.get_by_text(f"{loaded} so far")).to_be_visible()
        assert await rows(page).count() < 60
        await rows(page).first.focus()
        await page.keyboard.press("Home")
        await expect(page.locator('.rows .row[aria-rowindex="2"]')).to_be_focused()
        async with page.expect_download(timeout=60_000) as waiting:
            await page.get_by_role("button", name="Export CSV").click()
        text = (await (await waiting.value).path()).read_text(encoding="utf-8")
        assert len({line.partition(",")[0] for line in text.splitlines()[1:]}) == 10_000


def _fill(database: Path, count: int) -> None:
    """Many rows at once: writing each in its own transaction would take a minute."""
    from sqlalchemy import create_engine, insert

    from voicecall.archive import rows as made
    from voicecall.archive.tables import calls

    archive = CallArchive(f"sqlite:///{database}")
    archive.put(record(1))
    archive.close()
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(
            insert(calls), [{**made.call_row(record(number)), "digest": "x"} for number in range(2, count + 1)]
        )
    engine.dispose()


# --- placing, health ------------------------------------------------------------------------------------------------


async def test_a_call_is_placed_and_shown(page: Page, redis_server: RedisServer) -> None:
    """A refusal is said at the form; the call that was placed is opened."""
    async with opened(page, redis_server, "#/place") as system:
        form = page.get_by_role("form", name="Place a call")
        await form.get_by_label("Number").fill("12")
        await form.get_by_label("Message").fill("Good morning")
        await form.get_by_role("button", name="Call").click()
        await expect(form.get_by_role("alert")).to_contain_text("to is not an E.164 number")
        await form.get_by_label("Number").fill(BERT)
        await form.get_by_text("Brief for the agent").click()
        await form.get_by_label("Mode").select_option("notify")
        await form.get_by_label("Task").fill("Ask for a table")
        await form.get_by_label("Context").fill("For four of us")
        await form.get_by_label("Language").fill("German")
        await form.get_by_label("Keys").fill("1w")
        await form.get_by_role("button", name="Call").click()
        await expect(form.get_by_role("alert")).to_contain_text("dtmfSequence needs mode conversation")
        await form.get_by_label("Mode").select_option("conversation")
        await form.get_by_role("button", name="Call").click()
        await expect(page).to_have_url(re.compile("#/call/"))
        (call,) = system.worker.dialled
        state = await system.worker.log.read(call)
        assert state is not None
        assert (state.to, state.mode) == (BERT, e.Mode.CONVERSATION)
        assert state.brief is not None
        assert (state.brief.task, state.brief.context, state.brief.language) == (
            "Ask for a table",
            "For four of us",
            "German",
        )
        await page.get_by_role("link", name="Back to the live calls").click()
        await expect(rows(page)).to_have_count(1)


async def test_health_shows_the_doctor_the_dead_letters_and_the_documents(
    page: Page, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "voicecall.json"
    config.write_text('{"provider": "mock", "fromNumber": "+15550001000"}', encoding="utf-8")
    monkeypatch.setenv("VOICECALL_CONFIG", str(config))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    async with opened(page, redis_server) as system:
        letters = DeadLetters(system.redis, Scripts(system.redis))
        await letters.set_aside_bytes(CallId(call_id(1)), b"bytes", reason=f"no event {HOSTILE}")
        await page.get_by_role("link", name="Health").click()
        dead = page.get_by_role("region", name="Dead letters")
        await expect(dead.get_by_role("row")).to_have_count(2)
        await expect(dead).to_contain_text("<script>")
        assert await page.locator("main script, main img").count() == 0
        findings = page.get_by_role("region", name="Findings")
        await expect(findings.get_by_role("listitem").filter(has_text="ingress.health")).to_contain_text(
            "start it: voicecall ingress", timeout=60_000
        )
        await expect(findings).to_contain_text("dead-letters")
        await page.get_by_role("button", name="Check again").click()
        await expect(findings.get_by_role("status")).to_contain_text("ok, at")
        for name, text in (("openapi.json", '"openapi"'), ("asyncapi.json", '"asyncapi"'), ("metrics", "# HELP")):
            async with page.expect_download() as waiting:
                await page.get_by_role("button", name=name).click()
            assert text in (await (await waiting.value).path()).read_text(encoding="utf-8")
        for name in ("/livez", "/readyz"):
            address = await page.get_by_role("link", name=name).get_attribute("href")
            assert (await page.request.get(f"{system.url}{address}")).status == 200


# --- tokens, restarts -----------------------------------------------------------------------------------------------


async def sign_in(page: Page, token: str) -> None:
    await page.get_by_label("Gateway token").fill(token)
    await page.get_by_role("button", name="Sign in").click()


async def test_a_token_is_asked_for_kept_in_the_tab_and_in_no_address(page: Page, redis_server: RedisServer) -> None:
    """A wrong one is refused; a reload keeps the right one; signing out forgets it."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    async with opened(page, redis_server, token=TOKEN):
        await expect(page.get_by_role("alert")).to_be_hidden()
        await sign_in(page, "wrong")
        await expect(page.get_by_role("alert")).to_contain_text("the token is missing or wrong")
        await sign_in(page, TOKEN)
        await expect(page.get_by_text("connected", exact=True)).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("connected", exact=True)).to_be_visible()
        assert await page.evaluate("JSON.stringify(localStorage)") == "{}"
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Gateway token")).to_be_visible()
        assert await page.evaluate("JSON.stringify(sessionStorage)") == "{}"
    assert addresses
    assert not [address for address in addresses if TOKEN in address or "wrong" in address]


async def test_a_token_that_only_reads_sees_and_cannot_act(
    page: Page, redis_server: RedisServer, tmp_path: Path
) -> None:
    """No control that acts is shown, in any view; and the gateway would refuse it."""
    config = archived(tmp_path, record(1))
    async with opened(page, redis_server, token=TOKEN, gateway_read_token=READER, config=config) as system:
        call = CallId(await system.initiate())
        await sign_in(page, READER)
        await expect(rows(page)).to_have_count(1)
        await expect(page.get_by_text("read only")).to_be_visible()
        await expect(page.get_by_role("link", name="Place a call")).to_be_hidden()
        await rows(page).first.click()
        await expect(page.get_by_text("This token only reads: it sees the call")).to_be_visible()
        await expect(said(page, "agent")).to_have_count(1)
        for control in ("Say", "Guide", "Have it asked", "End call", "Forget", "Listen in"):
            await expect(page.get_by_role("button", name=control, exact=True)).to_be_hidden()
        await expect(page.get_by_text("Keys", exact=True)).to_be_hidden()
        for address in (f"#/call/{call_id(1)}", "#/history", "#/health"):
            await page.evaluate("address => { location.hash = address; }", address)
            await expect(page.get_by_role("button", name=re.compile("Forget"))).to_have_count(0)
        await page.evaluate("location.hash = '#/place'")
        await expect(page.get_by_text("This token only reads: it cannot place calls.")).to_be_visible()
        await expect(page.get_by_role("button", name="Call", exact=True)).to_be_disabled()
        assert system.worker.dialled == [call]


async def test_the_page_survives_a_restart_of_the_gateway_and_asks_again_for_a_token_that_expired(
    page: Page, redis_server: RedisServer
) -> None:
    """It says that it is reconnecting, shows what happened meanwhile, and keeps its view behind the sign-in."""
    port = free_port()
    async with opened(page, redis_server, token=TOKEN, port=port) as system:
        await sign_in(page, TOKEN)
        call = await system.initiate()
        await expect(rows(page)).to_have_count(1)
    await expect(page.get_by_text("reconnecting…")).to_be_visible()
    async with stack(redis_server.url, token=TOKEN, port=port, keep=True) as system:
        await expect(page.get_by_text("connected", exact=True)).to_be_visible()
        await system.initiate()
        await expect(rows(page)).to_have_count(2)
        await rows(page).filter(has_text="0:").last.click()
        await expect(said(page, "agent")).to_have_count(1)
    async with stack(redis_server.url, token="another-long-token", port=port, keep=True):
        await expect(page.get_by_role("alert")).to_contain_text("the token is missing or wrong")
        await sign_in(page, "another-long-token")
        await expect(page.get_by_text("connected", exact=True)).to_be_visible()
        await expect(said(page, "agent")).to_have_count(1)
    assert call


# --- how it looks and is reached -------------------------------------------------------------------------------------


async def test_numbers_are_masked_until_asked_for(page: Page, redis_server: RedisServer) -> None:
    async with opened(page, redis_server) as system:
        call = await system.initiate(to=BERT)
        for address in ("#/live", f"#/call/{call}"):
            await page.goto(f"{system.url}/{address}")
            await expect(page.locator("main")).to_contain_text("+15•••00")
            toggle = page.get_by_role("button", name="Show numbers")
            await toggle.click()
            await expect(toggle).to_have_attribute("aria-pressed", "true")
            await expect(page.locator("main")).to_contain_text(BERT)
            await toggle.click()
            await expect(page.locator("main")).not_to_contain_text(BERT[1:])
        await page.get_by_text(re.compile(r"Events \(\d+\)")).click()
        await expect(page.locator(".events")).to_contain_text("to: +15•••11")
        await expect(page.locator("main")).not_to_contain_text(BERT[1:])


async def test_colours_follow_the_system_and_the_switch(page: Page, redis_server: RedisServer) -> None:
    """The switch outlives a reload."""
    ground = "getComputedStyle(document.body).backgroundColor"
    async with opened(page, redis_server):
        await page.emulate_media(color_scheme="light")
        light = await page.evaluate(ground)
        await page.emulate_media(color_scheme="dark")
        dark = await page.evaluate(ground)
        assert light != dark
        await page.get_by_role("button", name="Colours: system. Change to light").click()
        assert await page.evaluate(ground) == light
        await page.reload()
        await page.get_by_role("button", name="Colours: light. Change to dark").click()
        await page.emulate_media(color_scheme="light")
        assert await page.evaluate(ground) == dark
        await page.get_by_role("button", name="Colours: dark. Change to system").click()
        assert await page.evaluate(ground) == light


async def test_every_view_fits_a_phone_and_every_control_has_a_name(
    page: Page, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Nothing is wider than the screen; the accessibility tree has no nameless control."""
    config = archived(tmp_path, record(1))
    async with opened(page, redis_server, config=config) as system:
        call = CallId(await system.initiate())
        await system.worker.hear(call, "hello " * 30)
        tree = await page.context.new_cdp_session(page)
        for width in (360, 1280):
            await page.set_viewport_size({"width": width, "height": 740})
            for address in ("#/live", f"#/call/{call}", f"#/call/{call_id(1)}", "#/history", "#/place", "#/health"):
                await page.evaluate("address => { location.hash = address; }", address)
                await expect(page.locator("main .view")).to_be_visible()
                await asyncio.sleep(0.3)
                too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                assert await page.evaluate(too_wide) <= 0, (width, address)
                nodes = (await tree.send("Accessibility.getFullAXTree"))["nodes"]
                assert _nameless(nodes) == [], (width, address)
        await expect(page.locator("main")).to_be_focused()
        await page.reload()
        await expect(page.get_by_role("heading", name="Health")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="To the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()


_CONTROLS = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "meter", "table", "form", "region"}


def _nameless(nodes: list[dict[str, Any]]) -> list[str]:
    kinds = [(node.get("role", {}).get("value"), node.get("name", {}).get("value")) for node in nodes]
    return [kind for kind, name in kinds if kind in _CONTROLS and not name]


async def test_what_just_happened_is_shown_when_the_page_opens(page: Page, redis_server: RedisServer) -> None:
    """A call that was refused, one that ended, and a take-over, though none of them is live."""
    async with stack(redis_server.url, token=None) as system:
        over = CallId(await system.initiate(to=BERT))
        await system.worker.log.post(over, (e.Reactivated(epoch=Epoch(2), cause=e.Takeover.LAPSED),))
        await system.worker.hang_up(over)
        await system.worker.reaches(over, Phase.HANGUP_USER)
        call = CallId(call_id(9))
        refused = e.CallRejected(
            carrier="mock", leg=LegId("CA9"), from_="+15550007777", to=OURS, reason="inbound-policy"
        )
        await system.worker.log.post(call, (refused,))
        await system.doorbell.ring(call)
        await system.worker.reaches(call, Phase.HANGUP_BOT)
        await page.goto(system.url)
        await expect(rows(page)).to_have_count(2)
        await expect(rows(page).filter(has_text="hangup-user")).to_contain_text(["outbound"])
        await expect(page.get_by_role("log", name="Take-overs")).to_contain_text("its lease ran out")
        await rows(page).filter(has_text="hangup-bot").click()
        await expect(said(page, "note").filter(has_text="refused: inbound-policy")).to_be_visible()


async def test_five_hundred_calls_and_what_ends_of_them_stay_within_bounds(page: Page) -> None:
    """The rows in view are in the document, not all; of ended calls and take-overs the newest are kept."""
    gateway = StagedGateway(page=serve_page, asset=serve_asset)
    facts = {"mode": "conversation", "turnCount": 1, "reactivations": 0}
    now = round(time.time() * 1000)
    for number in range(500):
        changes = {"state": "listening", "startedAt": now, "endedAt": None, "metadata": facts}
        gateway.calls[call_id(number)] = {
            key: value for key, value in record(number, **changes).items() if value is not None
        }
    async with gateway.running() as url:
        await page.goto(url)
        await expect(page.get_by_text("500 of 500")).to_be_visible()
        assert await rows(page).count() < 60
        await rows(page).first.focus()
        await page.keyboard.press("End")
        await expect(page.locator('.rows .row[aria-rowindex="501"]')).to_be_focused()
        for number in range(150):
            lost = {"seq": 3, "type": "Reactivated", "at": now, "epoch": 2, "cause": "died"}
            await gateway.push(call_id(number), "listening", lost)
        await expect(page.get_by_role("log", name="Take-overs").get_by_role("listitem")).to_have_count(100)
        for number in range(450):
            del gateway.calls[call_id(number)]
            ended = {"seq": 4, "type": "HungUp", "at": round(time.time() * 1000), "reason": "hangup-user"}
            await gateway.push(call_id(number), "hangup-user", ended)
        await expect(page.get_by_role("region", name="Summary")).to_contain_text("50live calls")
        await expect(page.get_by_text(re.compile(r"\b(50|[12]\d\d) of (50|[12]\d\d)\b"))).to_be_visible()


async def test_fall_backs_waits_and_texts_that_went_on_are_shown_once(page: Page) -> None:
    """The wait of a reply comes with the feed, with the log and with the record; it is one row."""
    gateway = StagedGateway(page=serve_page, asset=serve_asset)
    at = round(time.time() * 1000) - 20_000
    spans = {"agent_first_token": 420, "tool": 300, "tts_first_audio": 180}
    lines = [(1_000, "bot", "Good"), (1_900, "bot", "evening."), (5_000, "user", "hello"), (6_000, "bot", "We do.")]
    call = record(
        1,
        **{"state": "listening", "startedAt": at, "from": ANNA},
        transcript=[{"timestamp": at + ms, "speaker": who, "text": text} for ms, who, text in lines],
        metadata={"mode": "conversation", "turnCount": 1, "reactivations": 0, "lastTurnSpans": spans},
    )
    del call["endedAt"], call["endReason"]
    gateway.calls[call["callId"]] = call
    failover = {"service": "tts", "from": "elevenlabs", "to": "openai", "reason": "timeout"}
    events = [
        {"type": "Arrived", "at": at, "carrier": "mock", "from": ANNA, "to": OURS, "greeting": "Good evening."},
        {"type": "Heard", "at": at + 5_000, "text": "hello", "final": True},
        {"type": "AgentSaid", "at": at + 6_000, "turn": 1, "text": "We do."},
        {"type": "AgentSaid", "at": at + 6_100, "turn": 1, "text": "For how many?"},
        {"type": "PlaybackBegan", "at": at + 6_200, "utterance": 3, "spans": spans, "failover": failover},
        {"type": "SpeechFailed", "at": at + 6_300, "utterance": 4, "reason": "the voice is down", "clip": True},
    ]
    gateway.events[call["callId"]] = [{"seq": seq, **event} for seq, event in enumerate(events, 1)]
    gateway.spans[call["callId"]] = [{"turn": 1, "at": at + 6_200, "spans": spans, "tools": ["free_tables"]}]
    async with gateway.running() as url:
        await page.goto(f"{url}#/call/{call['callId']}")
        notes = said(page, "note")
        await expect(notes.filter(has_text="the voice: openai took over from elevenlabs (timeout)")).to_have_count(1)
        await expect(notes.filter(has_text="a recorded apology is played")).to_have_count(1)
        await expect(said(page, "agent").filter(has_text="went on")).to_contain_text(["evening."])
        await expect(said(page, "agent").filter(has_text="not heard")).to_contain_text(["For how many?"])
        call["state"] = "speaking"
        await gateway.push(call["callId"], "speaking", gateway.events[call["callId"]][4])
        await expect(page.locator(".call-head .badge")).to_have_text("speaking")
        waits = page.get_by_role("region", name="Waits for replies").get_by_role("listitem")
        await expect(waits).to_have_count(1)
        await expect(waits).to_contain_text(["900 ms"])
        await expect(said(page, "agent").filter(has_text="We do.")).to_contain_text(["900 ms"])
        assert await page.locator("rect.mark.tts, circle.mark.tts.bad").count() == 1


async def serve_page(request: web.Request) -> web.StreamResponse:
    return assets.page("console", request)


async def serve_asset(request: web.Request) -> web.StreamResponse:
    return assets.asset(request)
