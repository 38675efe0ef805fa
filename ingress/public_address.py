"""The public address of this ingress: opens and keeps its tunnel, and publishes the address to workers and gateways.

A tunnel that ends is reopened after 1 s, 2 s, … 60 s; until then the address is withdrawn, because a call dialled now
could not reach this ingress. An ingress that no carrier could ever reach does not start.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from voicecall.aio import Background, backoff
from voicecall.bus.public_address import EVERY_S, PublicAddressPublisher
from voicecall.errors import BusUnavailable, ConfigError, ExposureError
from voicecall.exposure.reachability import carrier_is_remote, url_problem
from voicecall.exposure.tunnels import OpenTunnel, open_tunnel
from voicecall.ports import Address
from voicecall.settings import Deployment, Settings

__all__ = ["PublicAddress", "TunnelKeeper", "exposed", "require_public_url"]

_log = logging.getLogger(__name__)

_FIRST_S: Final = 1.0
_MOST_S: Final = 60.0


class PublicAddress:
    """`webhook_url` and `stream_url` as in `Address`. `is_known`: carriers sign exactly these, nothing else.

    `is_open`: False while the tunnel is not up; the last address is kept, for requests that still arrive by it.
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
        """Set the address of an open tunnel."""
        self.webhook_url, self.stream_url = address.webhook_url, address.stream_url
        self.is_known = self.is_open = True


def require_public_url(settings: Settings, deployment: Deployment) -> None:
    """Raise ConfigError when `publicUrl` is an address that the configured carrier cannot reach."""
    problem = None if settings.is_tunnelled else url_problem(settings, deployment, settings.webhook_url)
    if problem is not None:
        raise ConfigError([f"publicUrl: {problem}"])


@asynccontextmanager
async def exposed(
    settings: Settings,
    deployment: Deployment,
    port: int,
    *,
    public_address: PublicAddress,
    publisher: PublicAddressPublisher,
    environ: Mapping[str, str],
    background: Background,
) -> AsyncIterator["TunnelKeeper"]:
    """Open the configured tunnel, if any, and keep it until the block is left, as `public_address` then says.

    Raises ConfigError when the tunnel cannot be opened and the carrier could not reach this ingress without it.
    """
    keeper = TunnelKeeper(settings, port, public_address, publisher, environ)
    if not settings.is_tunnelled:
        yield keeper
        return
    try:
        await keeper.open(deployment)
        async with background.running("tunnel", keeper.keep()), background.running("address", keeper.publish()):
            yield keeper
    finally:
        await keeper.close()


class TunnelKeeper:
    """The tunnel of one ingress. `open` once, then `keep` and `publish` without end, `close` at the end."""

    def __init__(
        self,
        settings: Settings,
        port: int,
        public_address: PublicAddress,
        publisher: PublicAddressPublisher,
        environ: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._port = port
        self._public_address = public_address
        self._publisher = publisher
        self._environ = environ
        self._tunnel: OpenTunnel | None = None
        self._has_given_up = False
        self._leaving = False
        self._is_publisher: bool | None = None

    async def open(self, deployment: Deployment) -> None:
        """Try once. A failure is logged; it raises ConfigError when the carrier cannot reach this ingress without."""
        try:
            await self._open()
        except ExposureError as error:
            _log.error("tunnel not opened", extra={"error": str(error)})
            problem = url_problem(self._settings, deployment, self._settings.webhook_url)
            if problem is not None:
                raise ConfigError([f"{error}. Without a tunnel {problem}"]) from error
            self._has_given_up = not error.retryable
            self._public_address.is_open = True  # a carrier on this network calls the ingress's own address
        if self._is_tailnet_only() and carrier_is_remote(self._settings, deployment):
            _log.warning("tailscale serve reaches the tailnet only, where no carrier is; use funnel")
        await self._announce()

    async def keep(self) -> None:
        """Reopen the tunnel whenever it ends; does not return."""
        while not self._has_given_up:
            if self._tunnel is not None:
                await self._wait_for_end(self._tunnel)
            await self._reopen()
        await asyncio.get_running_loop().create_future()

    async def publish(self) -> None:
        """Publish the address again before it expires; does not return."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self._announce()

    async def withdraw(self) -> None:
        """Stop publishing the address, so that no new call uses it; requests of known calls still arrive."""
        self._leaving = True
        if self._settings.is_tunnelled:
            await self._withdraw()

    async def close(self) -> None:
        await self.withdraw()
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            await tunnel.close()
            _log.info("tunnel closed", extra={"url": tunnel.address.webhook_url})

    async def _open(self) -> None:
        self._tunnel = await open_tunnel(self._settings, self._port, self._environ)
        self._public_address.move(self._tunnel.address)
        _log.info(
            "tunnel open", extra={"url": self._public_address.webhook_url, "stream": self._public_address.stream_url}
        )

    async def _wait_for_end(self, tunnel: OpenTunnel) -> None:
        error = await tunnel.ended()
        _log.error("tunnel ended; no call is dialled until it is open again", extra={"error": str(error)})
        self._public_address.is_open = False
        await self._withdraw()
        await tunnel.close()
        self._tunnel = None

    async def _reopen(self) -> None:
        for delay_s in backoff(first_s=_FIRST_S, most_s=_MOST_S, jitter=(1.0, 1.0)):
            await asyncio.sleep(delay_s)
            try:
                await self._open()
            except ExposureError as error:
                _log.warning("tunnel not reopened", extra={"error": str(error), "after_s": delay_s})
                if not error.retryable:
                    self._has_given_up = True
                    return
            else:
                break
        await self._announce()

    async def _announce(self) -> None:
        if not self._public_address.is_open or self._leaving:
            return
        try:
            is_publisher = await self._publisher.announce(self._public_address.address)
        except BusUnavailable as error:
            _log.warning("public address not published", extra={"error": str(error)})
            return
        if is_publisher != self._is_publisher:
            self._is_publisher = is_publisher
            _log.info("public address published" if is_publisher else "public address published by another ingress")

    async def _withdraw(self) -> None:
        self._is_publisher = None
        try:
            await self._publisher.withdraw()
        except BusUnavailable as error:
            # It expires by itself in a few seconds.
            _log.warning("public address not withdrawn", extra={"error": str(error)})

    def _is_tailnet_only(self) -> bool:
        provider, mode = self._settings.tunnel.provider, self._settings.tailscale.mode
        return provider == "tailscale-serve" or (provider == "none" and mode == "serve")
