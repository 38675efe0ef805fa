"""Configuration: what the operator wrote (`Settings`), and where this process stands (`Deployment`).

Read in this order: `model` and the blocks beside it (every key), `traits` (what differs between carriers), `load` (how
a file becomes settings) with its steps `source`, `includes`, `host`, `environment`, `not_offered`, `shapes`,
`secret_refs`; `rules` (what must hold between keys), `sentences` (how a problem is told), `deployment`.
"""

from voicecall.settings.capabilities import CARRIERS, Provider
from voicecall.settings.deployment import Deployment, Listener, load_deployment
from voicecall.settings.model.settings import Settings
from voicecall.settings.model.speech import ElevenLabs, OpenAI, Streaming, Tts
from voicecall.settings.reading.load import Loaded, load_settings, parse_settings, read_settings

__all__ = [
    "CARRIERS",
    "Deployment",
    "ElevenLabs",
    "Listener",
    "Loaded",
    "OpenAI",
    "Provider",
    "Settings",
    "Streaming",
    "Tts",
    "load_deployment",
    "load_settings",
    "parse_settings",
    "read_settings",
]
