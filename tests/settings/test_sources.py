"""Where a configuration comes from: a file that is named, or the host's own in its usual place, and its parts."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from voicecall.errors import ConfigError
from voicecall.settings import load_settings, read_settings
from voicecall.settings.reading.source import parse

HOST: dict[str, Any] = {
    "gateway": {"port": 18789},
    "messages": {"tts": {"provider": "elevenlabs", "openai": {"voice": "ash", "model": "m"}, "maxTextLength": 100}},
    "plugins": {
        "entries": {
            "voice-call": {"enabled": True, "config": {"provider": "mock", "tts": {"openai": {"voice": "nova"}}}}
        }
    },
}


def write(path: Path, document: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def host_with(config: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    entry = {"enabled": True, "config": config or {}}
    return {**HOST, **more, "plugins": {"entries": {"voice-call": entry}}}


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        read_settings(environ)
    return refusal.value.problems


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json5", "{maxConcurrentCalls: 7, /* as people write */ serve: {port: 4000},}"),
        ("c.json", '{"maxConcurrentCalls": 7, "serve": {"port": 4000}}'),
        ("c.toml", "maxConcurrentCalls = 7\n[serve]\nport = 4000\n"),
        ("openclaw.json", json.dumps(host_with({"maxConcurrentCalls": 7, "serve": {"port": 4000}}))),
    ],
)
def test_each_format_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    made = load_settings({"VOICECALL_CONFIG": write(tmp_path / name, text)})
    assert (made.max_concurrent_calls, made.serve.port) == (7, 4000)


@pytest.mark.parametrize(
    ("variables", "because"),
    [
        ({"VOICECALL_CONFIG": "{home}/ours/openclaw.json"}, "VOICECALL_CONFIG"),
        ({"OPENCLAW_CONFIG_PATH": "~/ours/openclaw.json"}, "OPENCLAW_CONFIG_PATH"),
        ({"OPENCLAW_STATE_DIR": "{home}/ours"}, "OPENCLAW_STATE_DIR"),
        ({"OPENCLAW_HOME": "{home}/else"}, "its usual place"),
        ({}, "its usual place"),
    ],
)
def test_the_host_s_file_is_found_where_the_host_looks(tmp_path: Path, variables: dict[str, str], because: str) -> None:
    """Ours first, then the host's variables, then its usual place."""
    write(tmp_path / "ours" / "openclaw.json", HOST)
    write(tmp_path / ".openclaw" / "openclaw.json", HOST)
    write(tmp_path / "else" / ".openclaw" / "openclaw.json", HOST)
    named = {name: value.replace("{home}", str(tmp_path)) for name, value in variables.items()}
    found = read_settings({"HOME": str(tmp_path), **named})
    assert found.source.because == because
    assert found.settings.tts.openai.voice == "nova"


def test_what_was_read_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It explains why a change in another file has no effect."""
    path = write(tmp_path / "c.json5", "{}")
    with caplog.at_level(logging.INFO):
        load_settings({"VOICECALL_CONFIG": path})
    assert [vars(record)["file"] for record in caplog.records] == [path]


def test_with_nothing_to_read_both_places_are_named(tmp_path: Path) -> None:
    (sentence,) = problems({"HOME": str(tmp_path)})
    assert "VOICECALL_CONFIG is not set" in sentence
    assert str(tmp_path / ".openclaw" / "openclaw.json") in sentence


@pytest.mark.parametrize(
    ("document", "start"),
    [
        ({"plugins": {}}, "plugins.entries.voice-call is missing"),
        ({"gateway": {}}, "plugins.entries.voice-call is missing"),
        ({"plugins": {"entries": {"voice-call": {"config": 5}}}}, "plugins.entries.voice-call.config: is not an"),
        (host_with({"colour": 1}), "plugins.entries.voice-call.config.colour: there is no such key"),
        ({**HOST, "messages": {"tts": {"openai": {"voice": 5}}}, "plugins": host_with()["plugins"]},
         "messages.tts.openai.voice: 5 is not a string"),
    ],
)  # fmt: skip
def test_a_problem_of_the_host_s_file_is_named_as_it_stands_there(
    tmp_path: Path, document: dict[str, Any], start: str
) -> None:
    found = problems({"VOICECALL_CONFIG": write(tmp_path / "openclaw.json", document)})
    assert found[0].startswith(start)


def test_the_general_voices_are_merged_under_the_plugin_s(tmp_path: Path) -> None:
    """The newer place of the general voices wins; keys that calls cannot use cause a warning."""
    tts = {
        "provider": "google",
        "persona": "butler",
        "providers": {"openai": {"model": "x", "extraBody": {}}, "google": {"voice": "v"}},
    }
    path = write(tmp_path / "openclaw.json", {**HOST, "tts": tts})
    loaded = read_settings({"VOICECALL_CONFIG": path})
    made = loaded.settings.tts
    assert (made.provider, made.openai.voice, made.openai.model, made.max_text_length) == (None, "nova", "x", 4096)
    reported = " ".join(loaded.warnings)
    for name in ("tts.provider", "tts.persona", "tts.providers.google", "tts.providers.openai.extraBody"):
        assert name in reported
    older = read_settings({"VOICECALL_CONFIG": write(tmp_path / "openclaw.json", HOST)}).settings.tts
    assert (older.provider, older.openai.model, older.max_text_length) == ("elevenlabs", "m", 100)


def test_keys_of_prototypes_are_skipped(tmp_path: Path) -> None:
    core = '{"messages": {"tts": {"openai": {"__proto__": {"voice": "x"}, "voice": "ash"}}}, "plugins": %s}'
    text = core % json.dumps(host_with()["plugins"])
    assert (
        read_settings({"VOICECALL_CONFIG": write(tmp_path / "openclaw.json", text)}).settings.tts.openai.voice == "ash"
    )


def test_variables_stand_in_texts(tmp_path: Path) -> None:
    """`${NAME}` anywhere, `$${NAME}` for the text itself; the host's own `env` block never overrides."""
    text = """{
      provider: "twilio", twilio: {accountSid: "${SID}", authToken: "${TOKEN}"}, fromNumber: "+1${AREA}0001234",
      publicUrl: "https://${NAME_OF_HOST}/voice", responseSystemPrompt: "Say $${PRICE} and ${lower}.",
    }"""
    environ = {"SID": "AC1", "TOKEN": "t", "AREA": "555", "NAME_OF_HOST": "calls.example"}
    made = load_settings({**environ, "VOICECALL_CONFIG": write(tmp_path / "c.json5", text)})
    assert (made.twilio.account_sid, made.from_number, made.public_url) == (
        "AC1",
        "+15550001234",
        "https://calls.example/voice",
    )
    assert made.response_system_prompt == "Say ${PRICE} and ${lower}."
    host = host_with({"inboundGreeting": "${A} ${B}"}, env={"A": "a", "vars": {"B": "b"}, "shellEnv": {}})
    reported = load_settings({"A": "mine", "VOICECALL_CONFIG": write(tmp_path / "openclaw.json", host)})
    assert reported.inbound_greeting == "mine b"


def test_a_missing_variable_is_one_problem_of_its_key(tmp_path: Path) -> None:
    """One, not two: that the placeholder is not a number is not reported. A disabled configuration misses nothing."""
    path = write(tmp_path / "c.json5", '{provider: "mock", fromNumber: "${NOBODY_SET_THIS}"}')
    (sentence,) = problems({"VOICECALL_CONFIG": path})
    assert sentence.startswith("fromNumber: names the environment variable NOBODY_SET_THIS, which is not set; set it")
    off = write(tmp_path / "off.json5", '{enabled: false, inboundGreeting: "${NOBODY_SET_THIS}"}')
    assert not read_settings({"VOICECALL_CONFIG": off}).settings.enabled


def test_parts_of_the_host_s_file_may_stand_in_files_of_their_own(tmp_path: Path) -> None:
    """One replaces, several merge in their order, keys beside it win; files of other plugins are not read."""
    write(
        tmp_path / "voice" / "config.json5", '{provider: "mock", maxConcurrentCalls: 2, tts: {$include: "../tts.json"}}'
    )
    write(tmp_path / "more.json", {"maxConcurrentCalls": 3, "maxDurationSeconds": 60})
    write(tmp_path / "tts.json", {"openai": {"voice": "sage"}})
    include = {"$include": ["voice/config.json5", "./more.json"], "maxDurationSeconds": 90}
    document = host_with(include, agents={"$include": "gone.json"})
    made = load_settings({"VOICECALL_CONFIG": write(tmp_path / "openclaw.json", document)})
    assert (made.max_concurrent_calls, made.max_duration_seconds, made.tts.openai.voice) == (3, 90, "sage")


@pytest.mark.parametrize(
    ("include", "part"),
    [("gone.json", "No such file"), (5, "is not the name of a file"), ("openclaw.json", "includes itself")],
)
def test_an_include_that_cannot_be_read_is_reported(tmp_path: Path, include: object, part: str) -> None:
    path = write(tmp_path / "openclaw.json", {"$include": include, "plugins": {}})
    (sentence,) = problems({"VOICECALL_CONFIG": path})
    assert sentence.startswith("$include: ")
    assert part in sentence


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o600, False)])
def test_a_file_with_secrets_that_others_may_read_is_warned_of(tmp_path: Path, mode: int, *, warned: bool) -> None:
    path = tmp_path / "c.json5"
    write(path, '{responseApiKey: "sk-1"}')
    path.chmod(mode)
    assert any("chmod 600" in warning for warning in read_settings({"VOICECALL_CONFIG": str(path)}).warnings) is warned
    write(path, "{}")
    path.chmod(mode)
    assert read_settings({"VOICECALL_CONFIG": str(path)}).warnings == ()


def test_broken_toml_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "c.toml", "provider = mock")
    (sentence,) = problems({"VOICECALL_CONFIG": path})
    assert sentence.startswith(f"VOICECALL_CONFIG: {path!r} is not TOML: ")


def test_broken_json5_is_reported_with_file_and_line(tmp_path: Path) -> None:
    """An operator has several files, and one of them is read."""
    path = write(tmp_path / "c.json5", '{\n provider: "twilio"\n fromNumber')
    (sentence,) = problems({"VOICECALL_CONFIG": path})
    assert sentence.startswith(f"VOICECALL_CONFIG: {path!r} is not JSON5: line 3 Unexpected ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("voicecall.json", '{"a":' * 600 + "1" + "}" * 600),
        ("voicecall.toml", "a = " + "[" * 2000 + "]" * 2000),
        ("voicecall.toml", "a = " + "[" * 100 + "]" * 100),
    ],
)
def test_a_configuration_that_is_nested_too_deeply_is_reported(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    path = str(tmp_path / name)
    assert problems({"VOICECALL_CONFIG": path}) == [
        f"VOICECALL_CONFIG: {path!r} is nested too deeply; no key needs that"
    ]


def test_a_number_of_thousands_of_digits_is_reported(tmp_path: Path) -> None:
    (tmp_path / "voicecall.toml").write_text("a = " + "9" * 5000, encoding="utf-8")
    assert "is not TOML" in problems({"VOICECALL_CONFIG": str(tmp_path / "voicecall.toml")})[0]


def test_files_that_include_each_other_are_reported_at_once(tmp_path: Path) -> None:
    """Ten levels of lists of fifty would take too long to read."""
    entry = {"plugins": {"entries": {"voice-call": {"$include": ["round.json"] * 50}}}}
    (tmp_path / "round.json").write_text(json.dumps({"$include": ["./round.json"] * 50}), encoding="utf-8")
    path = tmp_path / "openclaw.json"
    path.write_text(json.dumps(entry), encoding="utf-8")
    assert "includes itself" in problems({"VOICECALL_CONFIG": str(path)})[0]


@pytest.mark.parametrize(
    ("ours", "enabled"),
    [({"enabled": True}, True), ({}, True), ({"enabled": False}, False), (None, False), ("odd", False)],
)
def test_c5_the_host_s_own_plugin_is_disabled_where_ours_replaces_it(
    tmp_path: Path, ours: object, enabled: bool
) -> None:
    """OpenClaw must not load both plugins, so its own is disabled; the calls still run from the same file."""
    document = host_with({"provider": "mock"})
    document["plugins"]["entries"]["voice-call"]["enabled"] = False
    if ours is not None:
        document["plugins"]["entries"]["voicecall"] = ours
    loaded = read_settings({"VOICECALL_CONFIG": write(tmp_path / "openclaw.json", document)})
    assert loaded.settings.enabled is enabled


def with_plugins(theirs: object, ours: object, **config: Any) -> dict[str, Any]:
    document = host_with({"provider": "mock", **config})
    entries = document["plugins"]["entries"]
    entries["voice-call"]["enabled"] = theirs
    entries["voicecall"] = {"enabled": ours, "config": {"answerCalls": True}}
    return document


def test_c5_the_way_back_is_refused_with_both_switches(tmp_path: Path) -> None:
    """Where OpenClaw's own plugin makes the calls again, our processes must not answer the same webhooks."""
    path = write(tmp_path / "openclaw.json", with_plugins(theirs=True, ours=False))
    with pytest.raises(ConfigError) as refusal:
        load_settings({"VOICECALL_CONFIG": path})
    (problem,) = refusal.value.problems
    assert problem.startswith(
        "plugins.entries.voicecall.enabled is false and plugins.entries.voice-call.enabled is true: "
    )
    assert problem.endswith("set the first to true and the second to false")


def test_c5_two_enabled_plugins_are_a_problem(tmp_path: Path) -> None:
    """They register the same methods, and would answer the same calls."""
    (problem,) = problems({"VOICECALL_CONFIG": write(tmp_path / "openclaw.json", with_plugins(theirs=True, ours=True))})
    assert "plugins.entries.voice-call.enabled and plugins.entries.voicecall.enabled are both true" in problem


@pytest.mark.parametrize(
    ("written", "model"), [({}, "openclaw"), ({"responseModel": "openai/gpt-4o"}, "openai/gpt-4o")]
)
def test_c5_openclaw_answers_where_its_plugin_offers_to(tmp_path: Path, written: dict[str, str], model: str) -> None:
    """As with OpenClaw's own plugin, so that nothing is to be written, and nothing to be taken back."""
    path = write(tmp_path / "openclaw.json", with_plugins(theirs=False, ours=True, **written))
    assert load_settings({"VOICECALL_CONFIG": path}).response_model == model


def test_c5_the_documented_set_up_for_the_host_starts_the_calls_too(tmp_path: Path) -> None:
    """The block of docs/openclaw.md is one that both programs read."""
    page = (Path(__file__).parents[2] / "docs" / "openclaw.md").read_text(encoding="utf-8")
    block = page.partition("```json5\n")[2].partition("```")[0].replace("/* … */", "")
    document = parse(block.replace('provider: "twilio"', 'provider: "mock"'))
    made = load_settings({"VOICECALL_CONFIG": write(tmp_path / "openclaw.json", document)})
    assert made.response_model == "openclaw"


def test_c5_the_switches_of_the_page_on_moving_are_the_way_there_and_back(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "moving-from-openclaw.md").read_text(encoding="utf-8")
    block = page.partition("```json5\n")[2].partition("```")[0].replace("/* as it is */", 'provider: "mock"')
    document = parse(f"{{plugins: {{entries: {{{block}}}}}}}")
    path = tmp_path / "openclaw.json"
    assert load_settings({"VOICECALL_CONFIG": write(path, document)}).response_model == "openclaw"
    for entry in document["plugins"]["entries"].values():
        entry["enabled"] = not entry["enabled"]
    with pytest.raises(ConfigError):
        load_settings({"VOICECALL_CONFIG": write(path, document)})


def test_c5_the_skill_requires_nothing_that_could_hide_it() -> None:
    """With either plugin, and for the command alone."""
    skill = (Path(__file__).parents[2] / "skills" / "voice-call" / "SKILL.md").read_text(encoding="utf-8")
    assert "requires" not in json.loads(skill.partition("metadata: ")[2].partition("\n")[0])["openclaw"]
