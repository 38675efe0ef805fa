"""The language of calls and the operator's own phrases (A20)."""

import pytest

from voicecall.settings import Settings

pytestmark = pytest.mark.quick

NUMBER = "+15550001000"


def read(**keys: object) -> Settings:
    return Settings.model_validate({"provider": "mock", **keys})


def test_a20_a_call_has_the_language_and_phrases_of_its_number() -> None:
    route = {"language": "ja", "phrases": {"notCaught": "もう一度どうぞ。"}}
    general = {"goodbye": "Tschüss.", "fillers": ["Moment.", "Gleich."]}
    settings = read(language="de-DE", phrases=general, numbers={NUMBER: route})
    policy, own = settings.call_policy(), settings.on_route(NUMBER).call_policy()
    assert (policy.language, dict(policy.phrases)) == (
        "de-DE",
        {"goodbye": ("Tschüss.",), "fillers": ("Moment.", "Gleich.")},
    )
    assert own.language == "ja"
    assert dict(own.phrases) == {**dict(policy.phrases), "not_caught": ("もう一度どうぞ。",)}


@pytest.mark.parametrize(("language", "native"), [("auto", ""), ("fr-CA", "fr-CA")])
def test_a20_the_carriers_own_voice_has_the_language(language: str, native: str) -> None:
    assert read(language=language).native_voice.language == native


@pytest.mark.parametrize("tag", ["german please", "d", "", "de-", "de--AT", "en US"])
def test_a20_a_language_that_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="is no language tag"):
        read(language=tag)
