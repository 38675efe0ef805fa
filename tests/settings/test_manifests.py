"""What a manifest says of keys is true of the configuration that is composed from it."""

import pytest

from voicecall.errors import ConfigError
from voicecall.manifests import AGENT, CARRIERS, STT, TTS
from voicecall.manifests.composed import Composed
from voicecall.manifests.fields import Block
from voicecall.settings import Settings, load_deployment, parse_settings
from voicecall.settings.reading.tree import all_paths, leaves

KEYS = {path for path, _ in leaves()}


def test_every_key_of_a_manifest_exists() -> None:
    """A misspelt path would never be filled from its variable, and never be required."""
    named = {path for carrier in CARRIERS.values() for path, _ in carrier.variables}
    named |= {path for carrier in CARRIERS.values() for path in carrier.older_keys.values()}
    for service in (*STT.values(), AGENT):
        named |= {service.api_key, service.base_url, *(path for path, _ in service.variables)}
    for voice in TTS.values():
        named |= {path for path, _ in voice.variables} | set(voice.older_keys.values())
        named |= {voice.api_key, voice.base_url} if voice.speaks else set()
    named |= {service.model for service in (*STT.values(), *TTS.values()) if service.model is not None}
    assert named - KEYS == set()


@pytest.mark.parametrize("name", [name for name, carrier in CARRIERS.items() if carrier.has_account])
def test_each_required_key_is_named_with_its_variable(name: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_settings(f'{{provider: "{name}"}}')
    for path, variable in (*CARRIERS[name].credentials, *CARRIERS[name].verification):
        assert any(each.startswith(".".join(path)) and variable in each for each in refusal.value.problems), variable


@pytest.mark.parametrize("name", CARRIERS)
def test_the_environment_may_name_another_address_of_every_carrier_s_api(name: str) -> None:
    carrier, own = CARRIERS[name], load_deployment({})
    other = load_deployment({carrier.api_variable: "http://127.0.0.1:9/v1/"})
    assert (own.api_base_url(carrier), own.has_other_api(carrier)) == (carrier.api_base_url, False)
    assert (other.api_base_url(carrier), other.has_other_api(carrier)) == ("http://127.0.0.1:9/v1", True)


def test_account_blocks_stand_behind_the_provider_in_the_order_of_the_manifests() -> None:
    """In the schema, in `config show` and in the table of keys."""
    accounts = [name for name, carrier in CARRIERS.items() if carrier.account is not None]
    keys = [path[0] for path in all_paths() if len(path) == 1]
    assert keys[: len(accounts) + 2] == ["enabled", "provider", *accounts]
    for name in accounts:
        account = CARRIERS[name].account
        assert account is not None
        assert Settings().block(account) is getattr(Settings(), name)


def test_inserted_blocks_are_found_by_their_model() -> None:
    class One(Block):
        size: int = 1

    class Whole(Composed, blocks={"one": One}, after="first"):
        first: bool = True
        last: bool = False

    assert list(Whole.model_fields) == ["first", "one", "last"]
    assert Whole.model_validate({"one": {"size": 2}}).block(One).size == 2
    with pytest.raises(KeyError):
        Whole().block(Block)
