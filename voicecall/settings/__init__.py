"""Configuration: what the operator wrote (`Settings`), and where this process stands (`Deployment`).

Read in this order: `model` and `speech` (every key), `load` (how a file becomes settings), `rules` (what must hold
between keys), `shapes` (older spellings, environment), `sentences` (how a problem is told), `deployment`.
"""

from voicecall.settings.deployment import Deployment, Listener, load_deployment
from voicecall.settings.load import load_settings, parse_settings
from voicecall.settings.model import Provider, Settings
from voicecall.settings.speech import ElevenLabs, OpenAI, Streaming, Tts

__all__ = [
    "Deployment",
    "ElevenLabs",
    "Listener",
    "OpenAI",
    "Provider",
    "Settings",
    "Streaming",
    "Tts",
    "load_deployment",
    "load_settings",
    "parse_settings",
]
