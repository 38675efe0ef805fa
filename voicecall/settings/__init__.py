"""Configuration: the operator's file (`Settings`), and what the environment says of this machine (`Deployment`).

`model` holds the keys, `reading` turns a file into settings, `describe` prints schema, table, values and messages;
`deployment` reads the environment. What a carrier or a speech service adds stands in its manifest.
"""

from voicecall.settings.deployment import Deployment, ListenAddress, load_deployment
from voicecall.settings.model.settings import Settings, value_at
from voicecall.settings.model.speech import Streaming, Tts
from voicecall.settings.reading.load import Loaded, load_settings, parse_settings, read_settings

__all__ = [
    "Deployment",
    "ListenAddress",
    "Loaded",
    "Settings",
    "Streaming",
    "Tts",
    "load_deployment",
    "load_settings",
    "parse_settings",
    "read_settings",
    "value_at",
]
