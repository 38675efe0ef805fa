"""Configuration: the operator's file (`Settings`), and what the environment says of this machine (`Deployment`).

`model` holds the keys, `reading` turns a file into settings, `describe` prints schema, table, values and messages;
`deployment` reads the environment, `redis_address` one of its addresses, `tokens` judges its bearer tokens. What a
carrier or a speech service adds stands in its manifest.
"""

from voicecall.settings.deployment import SPEECH_SERVER, Deployment, ListenAddress, ListenScope, load_deployment
from voicecall.settings.model.agents import ResponseFallback
from voicecall.settings.model.settings import Settings, value_at
from voicecall.settings.model.speech import Streaming, Tts
from voicecall.settings.model.tools import HttpTool, McpServer, TransferTo
from voicecall.settings.reading.load import Loaded, load_settings, parse_settings, read_settings
from voicecall.settings.redis_address import RedisAddress, read_address
from voicecall.settings.tokens import deployment_warnings, gateway_problems, metrics_tokens

__all__ = [
    "SPEECH_SERVER",
    "Deployment",
    "HttpTool",
    "ListenAddress",
    "ListenScope",
    "Loaded",
    "McpServer",
    "RedisAddress",
    "ResponseFallback",
    "Settings",
    "Streaming",
    "TransferTo",
    "Tts",
    "deployment_warnings",
    "gateway_problems",
    "load_deployment",
    "load_settings",
    "metrics_tokens",
    "parse_settings",
    "read_address",
    "read_settings",
    "value_at",
]
