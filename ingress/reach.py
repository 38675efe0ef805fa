"""Where carriers reach this door now: what it signs for, and what it writes into its answers.

Fixed by `publicUrl`; else set by `exposure` when a tunnel opens, and again when one comes back with another name. The
rest of the door only reads it.
"""

from voicecall.ports import Address
from voicecall.settings import Settings

__all__ = ["Reach"]


class Reach:
    """`webhook_url` and `stream_url` as in `Address`. `is_known`: carriers sign exactly these, nothing else.

    `is_open`: False while a tunnel that we need is not up; the last address stays, for who may still come by it.
    """

    def __init__(self, settings: Settings) -> None:
        self.webhook_url = settings.webhook_url
        self.stream_url = settings.stream_url
        self.is_known = settings.public_url is not None
        self.is_open = not settings.is_tunnelled

    @property
    def address(self) -> Address:
        return Address(webhook_url=self.webhook_url, stream_url=self.stream_url)

    def move(self, address: Address) -> None:
        """A tunnel leads to us from there."""
        self.webhook_url, self.stream_url = address.webhook_url, address.stream_url
        self.is_known = self.is_open = True
