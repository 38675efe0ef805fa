"""What the configuration knows of each carrier before an adapter is built: one entry each, and the names themselves.

Used by the rules, by `Settings.call_policy`, and by whoever asks whether a carrier is out there.
Knows no carrier's API: that is `voicecall/carriers/<name>/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["CARRIERS", "CarrierCapabilities", "Provider"]

Provider = Literal["telnyx", "twilio", "plivo", "mock"]
Filled = tuple[tuple[str, ...], str]
"""The path of a key, and the variable that fills it where the file does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierCapabilities:
    """What a call is promised on it (`CallPolicy`), and the `credentials` without which it cannot be commanded.

    These are keys of the configuration and the variables that fill them; `also_filled` are further keys with variables.
    `verdict_within_s`: from the answer to what it says of a machine: its own limit, and what the way to us may take.
    """

    credentials: tuple[Filled, ...] = ()
    also_filled: tuple[Filled, ...] = ()
    by_command: bool = False
    keys_replace: bool = False
    tells_beep: bool = True
    verdict_within_s: float = 8.0  # Telnyx takes 3.5 s and Plivo 5, as we ask

    @property
    def variables(self) -> tuple[Filled, ...]:
        """Every key that a variable of the environment fills, if this carrier is the configured one."""
        return (*self.credentials, *self.also_filled)

    @property
    def has_account(self) -> bool:
        """A company on the internet, with accounts, numbers and bills. The mock stands beside us, or nowhere."""
        return bool(self.credentials)


CARRIERS: Final[Mapping[Provider, CarrierCapabilities]] = {
    "telnyx": CarrierCapabilities(
        credentials=((("telnyx", "apiKey"), "TELNYX_API_KEY"), (("telnyx", "connectionId"), "TELNYX_CONNECTION_ID")),
        also_filled=((("telnyx", "publicKey"), "TELNYX_PUBLIC_KEY"),),
        by_command=True,
    ),
    "twilio": CarrierCapabilities(
        credentials=((("twilio", "accountSid"), "TWILIO_ACCOUNT_SID"), (("twilio", "authToken"), "TWILIO_AUTH_TOKEN")),
        also_filled=((("fromNumber",), "TWILIO_FROM_NUMBER"),),
        keys_replace=True,
        verdict_within_s=35.0,  # it says nothing of a machine before its beep, or half a minute
    ),
    "plivo": CarrierCapabilities(
        credentials=((("plivo", "authId"), "PLIVO_AUTH_ID"), (("plivo", "authToken"), "PLIVO_AUTH_TOKEN")),
        tells_beep=False,
    ),
    "mock": CarrierCapabilities(),
}
