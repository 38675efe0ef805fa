"""The mock carrier: no account; its secret and the address of its API come from the environment (docs/mock.md)."""

from typing import Final

from voicecall.manifests.manifest import CarrierManifest

__all__ = ["CARRIER"]

CARRIER: Final = CarrierManifest(
    name="mock",
    secret_variable="MOCK_SECRET",  # noqa: S106 - the name of a variable
    signatures_expire=True,
    older_names=("log",),
)
