"""The pure parts of the page, in the browser that runs them: mu-law, sample rates, the playout cursor, the words."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from simulators.tones import mulaw_from_pcm16, pcm16_from_mulaw
from tests.phone.browser import run_js
from tests.phone.stack import Dev

pytestmark = pytest.mark.timeout(180)  # the first test of this folder waits for the system's start

_SILENCE = 0xFF


@pytest.fixture(scope="module")
def page(browser: Browser, dev: Dev) -> Iterator[Page]:
    opened = browser.new_page()
    opened.goto(f"{dev.url}/phone")
    yield opened
    opened.close()


def test_every_code_of_mu_law_is_decoded_as_g711_has_it(page: Page) -> None:
    """Against tables that were written independently; and each code is encoded again as itself."""
    samples = run_js(page, "mulaw", "return Array.from({length: 256}, (_, code) => m.decodeMulaw(code) * 32768)")
    assert samples == np.frombuffer(pcm16_from_mulaw(bytes(range(256))), "<i2").tolist()
    again = run_js(
        page,
        "mulaw",
        "return [...m.encodeMulaw(Float32Array.from({length: 256}, (_, code) => m.decodeMulaw(code)))]",
    )
    zeros = {0x7F: 0xFF}  # minus zero is zero
    assert again == [zeros.get(code, code) for code in range(256)]


def test_samples_are_encoded_as_g711_has_them(page: Page) -> None:
    """Over the whole range, and clipped beyond it."""
    pcm = np.arange(-32767, 32768, 7, dtype=np.int32)
    codes = run_js(page, "mulaw", "return [...m.encodeMulaw(Float32Array.from(a, (s) => s / 32767))]", pcm.tolist())
    assert codes == list(mulaw_from_pcm16(pcm.astype("<i2").tobytes()))
    assert run_js(page, "mulaw", "return [...m.encodeMulaw(Float32Array.from([-9, 9]))]") == [0x00, 0x80]


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_what_a_telephone_carries_passes_and_nothing_folds_back(page: Page, rate: int) -> None:
    """From a microphone's rate to 8 kHz: 1 kHz keeps its loudness, 6 kHz is 40 dB quieter, where nothing hears it."""
    assert _level(_resampled(page, _sine(1_000, rate), rate, 8_000)) == pytest.approx(
        _level(_sine(1_000, rate)), rel=0.02
    )
    assert _level(_resampled(page, _sine(6_000, rate), rate, 8_000)) < _level(_sine(6_000, rate)) / 100


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_sound_comes_out_at_the_rate_of_the_hardware(page: Page, rate: int) -> None:
    """As long and as loud as it went in, without the images of 8 kHz."""
    out = _resampled(page, _sine(1_000, 8_000), 8_000, rate)
    assert len(out) == pytest.approx(rate, abs=rate / 100)
    assert _level(out) == pytest.approx(_level(_sine(1_000, 8_000)), rel=0.02)
    spectrum = np.abs(np.fft.rfft(out[2_000:] * np.hanning(len(out) - 2_000)))
    hertz = np.fft.rfftfreq(len(out) - 2_000, 1 / rate)
    assert spectrum[hertz > 4_500].max() < spectrum.max() / 100


def test_pieces_of_any_size_give_the_same_samples(page: Page) -> None:
    """An audio worklet gets 128 at a time; the result is that of one piece."""
    wave = _sine(700, 44_100, samples=5_000).tolist()
    body = """
      const whole = new m.Resampler(44100, 8000).push(Float32Array.from(a));
      const pieces = new m.Resampler(44100, 8000), parts = [];
      for (let at = 0, size = 1; at < a.length; at += size, size = (size * 7) % 131 + 1)
        parts.push(...pieces.push(Float32Array.from(a.slice(at, at + size))));
      return [[...whole], parts];
    """
    whole, parts = _list(run_js(page, "resample", body, wave))
    assert parts == whole
    assert len(whole) > 800


def test_marks_return_when_the_audio_before_them_was_played(page: Page) -> None:
    """One behind no audio at once; the others in their order, and not before the last byte was pulled."""
    body = """
      const passed = [], out = new m.Playout((name) => passed.push(name)), log = [];
      out.mark("at once"); log.push([...passed]);
      out.put(new Uint8Array(480).fill(1)); out.mark("first"); out.put(new Uint8Array(160).fill(2)); out.mark("second");
      for (const count of [479, 1, 159, 1]) { out.pull(count); log.push([...passed]); }
      return [log, out.waiting, out.underruns];
    """
    log, waiting, underruns = _list(run_js(page, "playout", body))
    assert [names[1:] for names in log] == [[], [], ["first"], ["first"], ["first", "second"]]
    assert (waiting, underruns) == (0, 0)


def test_clear_drops_what_waits_and_returns_its_marks(page: Page) -> None:
    body = """
      const passed = [], out = new m.Playout((name) => passed.push(name));
      out.put(new Uint8Array(800).fill(1)); out.mark("u1"); out.pull(200); out.clear();
      return [passed, out.waiting, [...out.pull(3)]];
    """
    assert run_js(page, "playout", body) == [["u1"], 0, [_SILENCE] * 3]


def test_frames_that_come_unevenly_leave_no_gap(page: Page) -> None:
    """The first frame after silence is held back for at most 40 ms; what follows within that time joins it."""
    body = """
      const out = new m.Playout(() => {}), heard = [];
      out.put(new Uint8Array(160).fill(1));
      for (let ms = 0; ms < 100; ms++) {
        if (ms === 30) out.put(new Uint8Array(160).fill(2));
        heard.push(...out.pull(8));
      }
      return heard;
    """
    heard = _list(run_js(page, "playout", body))
    assert heard == [_SILENCE] * 320 + [1] * 160 + [2] * 160 + [_SILENCE] * 160


def test_a_gap_in_the_middle_counts_as_an_underrun_and_the_end_does_not(page: Page) -> None:
    body = """
      const out = new m.Playout(() => {});
      const play = (marked) => {
        out.put(new Uint8Array(480));
        if (marked) out.mark("u");
        out.pull(900);
        return out.underruns;
      };
      return [play(true), play(false)];
    """
    assert run_js(page, "playout", body) == [0, 1]


def test_what_was_cut_and_what_was_resumed_stand_apart(page: Page) -> None:
    """The record keeps what was heard: a shorter line was cut, one that is gone was not heard at all."""
    transcripts = [
        [_line("user", 1, "When?"), _line("bot", 2, "We open at nine."), _line("bot", 2, "We close at ten.")],
        [_line("user", 1, "When?"), _line("bot", 2, "We open"), _line("bot", 5, "We open at nine.")],
    ]
    body = "const w = new m.Words(); let lines; for (const t of a) lines = w.update(t); return lines"
    lines = [(line["heard"], line["cut"], line["resumed"]) for line in _list(run_js(page, "words", body, transcripts))]
    assert lines == [
        ("When?", "", False),
        ("We open", " at nine.", False),
        ("", "We close at ten.", False),
        ("We open at nine.", "", True),
    ]


def test_the_page_may_run_nothing_but_its_own_files(page: Page) -> None:
    """The content security policy in force: an inline script, a style and an image of elsewhere are refused."""
    body = """
      const refused = [];
      document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
      const script = document.createElement("script");
      try { script.textContent = "document.title = 'owned'"; } catch { refused.push("trusted-types"); }
      document.head.append(script);
      const style = document.createElement("style"); style.textContent = "body{}"; document.head.append(style);
      const image = new Image(); image.src = "https://elsewhere.invalid/x.png";
      await new Promise((resolve) => setTimeout(resolve, 300));
      return refused;
    """
    refused = _list(run_js(page, "words", body))
    assert {"style-src-elem", "img-src"} <= set(refused)
    assert page.title() != "owned"


def _sine(hertz: int, rate: int, *, samples: int = 0) -> Any:
    return np.sin(2 * np.pi * hertz * np.arange(samples or rate) / rate) / 2


def _resampled(page: Page, wave: Any, source: int, target: int) -> Any:
    body = "return [...new m.Resampler(a.from, a.to).push(Float32Array.from(a.wave))]"
    return np.array(run_js(page, "resample", body, {"wave": wave.tolist(), "from": source, "to": target}))


def _level(wave: Any) -> float:
    """Of its middle, without the beginning, in which the filter fills."""
    return float(np.sqrt(np.mean(wave[len(wave) // 4 : -len(wave) // 4] ** 2)))


def _line(speaker: str, at: int, text: str) -> dict[str, object]:
    return {"speaker": speaker, "timestamp": at, "text": text}


def _list(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value
