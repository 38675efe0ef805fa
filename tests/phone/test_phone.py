"""The test phone in a real browser, over the real path: page, gateway, exchange, ingress, Redis, workers, and back."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Playwright

from tests.phone.browser import chromium, question
from tests.phone.conftest import OTHER_NUMBER, Phone
from tests.phone.relay import relayed
from tests.phone.stack import Dev, bare_dev

pytestmark = pytest.mark.timeout(180)  # the first test waits for the system's start

_GREETING = "Hello! How can I help you today?"
_LONG = "We open at nine in the morning. We close at ten in the evening. On Sundays we are closed all day long."


def test_a_spoken_question_is_answered_aloud_though_the_worker_is_killed(
    playwright: Playwright, program: str, dev: Dev, tmp_path: Path
) -> None:
    """The microphone hears a question; the answer is decoded from what the page played.

    In the middle of it the worker that holds the call is killed by the page's button; the words go on, and the page
    shows the take-over, what was cut and what was resumed.
    """
    dev.script(chat={"rules": [{"match": "opening hours", "reply": _LONG}]})
    microphone = question(tmp_path / "question.wav", "what are your opening hours", after_s=3)
    with chromium(playwright, program, microphone) as browser:
        phone = Phone(browser.new_page(), dev.url).ready()
        phone.page.click("summary")
        for name in ("echoCancellation", "noiseSuppression", "autoGainControl"):
            phone.page.uncheck(f"#{name}")  # they are made for voices, and would take tones for noise
        phone.call()
        assert phone.facts()["microphone"] is True
        phone.until_heard(_GREETING)
        phone.until_heard("We open at")
        phone.page.click("#kill-worker")
        phone.until_heard("closed all day long.")
        phone.until(lambda: "another worker took the call over" in phone.page.inner_text("#events"), "the take-over")
        assert "caller: what are your opening hours" in phone.words()
        assert phone.page.locator("#words .tag:text-is('cut')").count() >= 1
        assert phone.page.locator("#words .tag:text-is('resumed')").count() >= 1
        assert phone.page.locator("#turns li").count() >= 1
        assert not phone.errors
        phone.page.click("#hangup")
        phone.until(lambda: "has ended" in phone.page.inner_text("#state"), "the end")


def test_what_is_typed_is_spoken_into_the_call_and_answered(phone: Phone, dev: Dev) -> None:
    """Spoken by the configured voice, recognised by the configured service, answered aloud; each turn has its spans."""
    dev.script(chat={"rules": []})
    phone.call().until_heard(_GREETING)
    phone.page.fill("#typed", "is there a table")
    phone.page.click("#type button")
    phone.until_heard("You said: is there a table.")
    assert "caller: is there a table" in phone.words()
    phone.until(lambda: phone.page.locator("#turns rect").count() > 1, "the spans of the turn")
    for digit in "5#":
        phone.page.click(f"#keypad button:text-is('{digit}')")
    phone.until(lambda: "you pressed #" in phone.page.inner_text("#events"), "the keys")
    call = dev.rpc("voicecall.status", callId=phone.facts()["callId"])["call"]
    assert call["metadata"]["digits"] == "5#"
    phone.page.click("#hangup")
    phone.until(lambda: phone.facts()["state"] == "idle", "idle")


def test_a_cut_reply_is_shown_as_heard_and_cut(phone: Phone, dev: Dev) -> None:
    """The caller interrupts: what was heard stands apart from what was not. The floor is shown while it changes."""
    dev.script(chat={"rules": [{"match": "tell me", "reply": _LONG}]})
    phone.call().until_heard(_GREETING)
    phone.say("tell me everything")
    phone.page.wait_for_selector("#floor.agent")
    phone.until_heard("We open")
    phone.say("stop now please stop")
    phone.page.wait_for_selector("#words .cut")
    assert phone.page.locator("#words .tag:text-is('cut')").count() >= 1
    assert not any("closed all day long" in one.text for one in phone.heard())
    phone.page.click("#hangup")


def test_a_hostile_transcript_is_text(phone: Phone, dev: Dev) -> None:
    """Whatever is said is shown as it is, runs nothing and loads nothing."""
    requests: list[str] = []
    phone.page.on("request", lambda request: requests.append(request.url))
    hostile = "<img src=/evil onerror=document.title='owned'>"
    dev.script(chat={"rules": [{"match": "hostile", "reply": "It is & stays <b>text</b>."}]})
    phone.call().until_heard(_GREETING)
    phone.say(hostile)
    phone.until(lambda: any(hostile in line for line in phone.words()), "the words")
    assert phone.page.locator("#words img, #words script, #words b").count() == 0
    assert phone.page.title() != "owned"
    assert not any("evil" in url for url in requests)
    phone.page.click("#hangup")


def test_it_rings_and_is_answered_or_declined(phone: Phone, dev: Dev) -> None:
    """An outbound call by the page's own button; the call's record has the outcome a carrier would report."""
    phone.ready().page.fill("#opening", "Good evening, your table is ready.")
    phone.page.click("#ring button")
    phone.page.click("#answer")
    phone.in_call().until_heard("Good evening, your table is ready.")
    answered = str(phone.facts()["callId"])
    phone.page.click("#mute")
    assert phone.page.inner_text("#mute") == "Unmute"
    dev.rpc("voicecall.end", callId=answered)
    phone.until(lambda: "The agent hung up" in phone.page.inner_text("#state"), "the agent's hang-up")

    number = phone.page.inner_text("#number")
    call = dev.rpc("voicecall.initiate", to=number, message="Hello", mode="conversation")["callId"]
    phone.page.click("#decline")
    phone.page.wait_for_selector("#call:visible")
    phone.until(lambda: dev.rpc("voicecall.status", callId=call)["call"]["state"] == "busy", "busy")


def test_a_call_that_nobody_takes_stops_ringing(phone: Phone, dev: Dev) -> None:
    """The page lets it ring until the other end gives up."""
    number = phone.ready().page.inner_text("#number")
    call = dev.rpc("voicecall.initiate", to=number, message="Hello", mode="conversation")["callId"]
    phone.page.wait_for_selector("#answer:visible")
    assert phone.page.title().startswith("☎")
    dev.rpc("voicecall.end", callId=call)
    phone.page.wait_for_selector("#call:visible")
    assert phone.facts()["state"] == "idle"


def test_the_number_that_is_called_can_be_chosen(phone: Phone) -> None:
    """Each number of the configuration answers as it is configured."""
    phone.ready().page.select_option("#agent", OTHER_NUMBER)
    phone.call().until_heard("You have reached the kitchen.")
    phone.page.click("#hangup")


def test_what_cleans_the_sound_is_chosen_and_remembered(phone: Phone) -> None:
    """The browser gets the choice with the microphone; it outlives a reload."""
    phone.ready().page.click("summary")
    phone.page.uncheck("#echoCancellation")
    phone.page.reload()
    phone.ready().page.click("summary")
    assert not phone.page.is_checked("#echoCancellation")
    assert phone.page.is_checked("#noiseSuppression")
    phone.page.evaluate(_ASKED)
    phone.call()
    asked = phone.page.evaluate("asked")
    assert (asked["echoCancellation"], asked["noiseSuppression"], asked["autoGainControl"]) == (False, True, True)
    phone.page.click("#hangup")


def test_a_second_tab_is_a_second_phone(context: BrowserContext, phone: Phone, dev: Dev) -> None:
    """Both ring; who answers first has the call, and the other one stops ringing. Both may be in calls of their own."""
    phone.ready()
    other = Phone(context.new_page(), dev.url).ready()
    assert phone.facts()["device"] != other.facts()["device"]
    dev.rpc("voicecall.initiate", to=phone.page.inner_text("#number"), message="Hello", mode="conversation")
    phone.page.wait_for_selector("#answer:visible")
    other.page.click("#answer")
    other.in_call()
    phone.page.wait_for_selector("#call:visible")
    phone.call().until_heard(_GREETING)
    phone.page.click("#hangup")
    other.page.click("#hangup")


def test_a_duplicated_tab_takes_the_phone_and_the_first_one_says_so(
    context: BrowserContext, phone: Phone, dev: Dev
) -> None:
    """A browser copies the tab's name with it: one phone, one tab, and no quarrel between the two."""
    phone.ready()
    twin = context.new_page()
    name = json.dumps(phone.facts()["device"])
    twin.add_init_script(f"sessionStorage.setItem('voicecall.device', {name})")
    Phone(twin, dev.url).ready()
    phone.until(lambda: "another tab" in phone.page.inner_text("#notice"), "the notice")
    assert phone.page.locator("#call").is_disabled()
    phone.page.wait_for_timeout(1500)
    assert twin.locator("#link").inner_text() == "connected"


def test_a_page_that_is_loaded_again_is_in_the_same_call(phone: Phone, dev: Dev) -> None:
    """The call stays up meanwhile; a click brings the sound back, because browsers ask for one."""
    phone.call().until_heard(_GREETING)
    before = phone.facts()
    phone.page.reload()
    phone.in_call()
    assert phone.facts()["leg"] == before["leg"]
    phone.page.click("#resume")
    phone.until(lambda: phone.facts()["audio"] != {}, "sound")
    phone.say("still there")
    phone.until_heard("You said: still there.")
    assert dev.rpc("voicecall.status", callId=before["callId"])["call"]["metadata"]["turnCount"] >= 1
    phone.page.click("#hangup")


def test_a_lost_line_comes_back_into_the_same_call(context: BrowserContext, dev: Dev) -> None:
    """Cut, and then silent without a word: the page notices both, and nobody has to call again.

    What the agent says meanwhile is heard afterwards.
    """
    with relayed(dev.url) as network:
        phone = Phone(context.new_page(), network.url)
        leg = phone.call().facts()["leg"]
        phone.until_heard(_GREETING)
        network.cut()
        phone.until(lambda: "is coming back" in phone.page.inner_text("#notice"), "the notice")
        phone.until(lambda: phone.page.inner_text("#link") == "connected", "the line")
        phone.say("after the cut")
        phone.until_heard("You said: after the cut.")
        network.is_silent = True
        phone.until(lambda: phone.page.inner_text("#link") == "not connected", "the silence is noticed")
        dev.post(f"{dev.url}/rpc", _speak(str(phone.facts()["callId"]), "Are you there?"))
        network.is_silent = False
        network.cut()
        phone.until_heard("Are you there?")
        assert phone.facts()["leg"] == leg
        phone.page.click("#hangup")


def test_a_gateway_that_restarts_with_another_token(context: BrowserContext, dev: Dev) -> None:
    """The line is lost in mid-call, and the page's token is no longer valid: the new one leads to the same call.

    A wrong token and one that may only read are refused with the reason.
    """
    reading = {"VOICECALL_GATEWAY_READ_TOKEN": "reading-token-of-16"}
    with dev.gateway(VOICECALL_GATEWAY_TOKEN="first-token-of-16", **reading) as gateway:
        phone = Phone(context.new_page(), gateway.url)
        log_in(phone, "a-wrong-token-of-16")
        phone.until(lambda: "wrong" in phone.page.inner_text("#problem"), "the refusal")
        log_in(phone, "first-token-of-16")
        leg = phone.call().facts()["leg"]
        phone.until_heard(_GREETING)
        gateway.restart(VOICECALL_GATEWAY_TOKEN="second-token-of-16")
        log_in(phone, "second-token-of-16")
        phone.until(lambda: phone.page.inner_text("#link") == "connected", "the line")
        phone.say("with a new token")
        phone.until_heard("You said: with a new token.")
        assert phone.facts()["leg"] == leg
        phone.page.click("#hangup")
        reader = Phone(context.new_page(), gateway.url)
        log_in(reader, "reading-token-of-16")
        reader.until(lambda: "operator.write" in reader.page.inner_text("#notice"), "the reason")


def test_an_ingress_that_is_killed_costs_a_pause_only(phone: Phone) -> None:
    """The exchange opens the next media socket, as a carrier does; the same call goes on."""
    phone.call().until_heard(_GREETING)
    phone.page.click("#kill-ingress")
    phone.until(lambda: "media socket open again, after" in phone.page.inner_text("#events"), "the next socket")
    phone.say("do you hear me")
    phone.until_heard("You said: do you hear me.")
    phone.page.click("#hangup")


def test_without_speech_services_one_reads_and_types(context: BrowserContext, tmp_path: Path) -> None:
    """`voicecall dev` as it is installed: the browser reads aloud, and what is typed is the transcript."""
    with bare_dev(tmp_path) as url:
        phone = Phone(context.new_page(), url).call()
        assert "no speech services" in phone.page.inner_text("#microphone")
        phone.until(lambda: f"agent: {_GREETING}" in phone.words(), "the greeting")
        phone.page.wait_for_selector("#floor:text-is('no one speaks')")
        phone.say("is anyone there")
        phone.until(lambda: "agent: You said: is anyone there." in phone.words(), "the echo")
        phone.page.locator("#typed").blur()
        phone.page.keyboard.press("7")
        phone.until(lambda: "you pressed 7" in phone.page.inner_text("#events"), "the key")
        phone.page.click("#hangup")
        phone.until(lambda: "has ended" in phone.page.inner_text("#state"), "the end")
        assert not phone.errors


def test_a_permission_that_is_denied_is_said_with_what_to_do(playwright: Playwright, program: str, dev: Dev) -> None:
    """There is a microphone, and the browser itself refuses it, as it does without a person who allows it."""
    browser = playwright.chromium.launch(
        executable_path=program, args=["--no-sandbox", "--use-fake-device-for-media-stream"]
    )
    with closing(browser):
        phone = Phone(browser.new_page(), dev.url).call()
        phone.until(lambda: "not allowed" in phone.page.inner_text("#microphone"), "the reason")
        assert "type what you say" in phone.page.inner_text("#microphone")
        phone.say("without a microphone")
        phone.until_heard("You said: without a microphone.")
        phone.page.click("#hangup")


_ASKED = """() => {
  const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wanted) => { globalThis.asked = wanted.audio; return given(wanted); };
}"""
_REJECTED = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{}'))"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (_REJECTED.format("NotFoundError"), "no microphone"),
        ("Object.defineProperty(window, 'isSecureContext', {value: false})", "HTTPS"),
    ],
    ids=["missing", "insecure"],
)
def test_without_a_microphone_the_page_says_why_and_the_call_goes_on(phone: Phone, script: str, words: str) -> None:
    phone.page.add_init_script(script)
    phone.page.reload()
    phone.call()
    phone.until(lambda: words in phone.page.inner_text("#microphone"), "the reason")
    assert "type what you say" in phone.page.inner_text("#microphone").lower()
    phone.until_heard(_GREETING)
    phone.page.click("#hangup")


def _speak(call: str, message: str) -> dict[str, object]:
    params = {"callId": call, "message": message}
    return {"type": "req", "id": "1", "method": "voicecall.continue.start", "params": params}


def log_in(phone: Phone, token: str) -> None:
    phone.page.wait_for_selector("#token:visible")
    phone.page.fill("#token", token)
    phone.page.press("#token", "Enter")
