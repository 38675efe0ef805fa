"""A new carrier or speech service is its folder, its manifest and one line of the manifests' list."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from simulators.stack.carriers import CARRIERS as SIMULATORS
from tests.contract.conformance.ways import CARRIERS as WAYS
from voicecall.carriers.common.adapter import Adapter
from voicecall.carriers.registry import adapter_of
from voicecall.manifests import CARRIERS, STT, TTS

_ROOT = Path(__file__).resolve().parents[2]
_PRODUCT = ("voicecall", "actors", "workers", "ingress", "gateway")

_CARRIERS_KNOWN = {
    "voicecall/manifests/__init__.py": "the list of manifests",
    "voicecall/cli/dev.py": "the simulators that a demo may run on",
    "voicecall/cli/dev_stack.py": "the development stack runs on the mock and its simulator",
    "voicecall/phone/app.py": "test phones are phones of the mock carrier",
    "voicecall/phone/webhooks.py": "its signature",
}
"""Where names of carriers stand outside their folders and manifests, and why. A file that needs none any more goes."""

_SPEECH = ("elevenlabs", "openai")
_SPEECH_KNOWN = {
    "voicecall/manifests/__init__.py": "the list of manifests, and the default of `responseModel`",
    "voicecall/manifests/compatible.py": "the other name of a voice is that of the protocol it speaks",
    "voicecall/manifests/models.py": "the services of language models, which all offer the protocol of one of them",
    "voicecall/manifests/whisper.py": "likewise, of recognition",
    "voicecall/settings/model/settings.py": "the default of `responseModel`",
    "voicecall/settings/reading/retired.py": "only its maker ends a model: another address has its own",
    "voicecall/settings/model/speech.py": "keys of `streaming` itself, and the names of native voices",
    "voicecall/settings/reading/unsupported.py": "services of the original that are not offered here",
}
"""The same for makers of speech services, in the settings, the manifests and the registry of speech."""


def _names_in(file: Path, known: Iterator[str]) -> Iterator[str]:
    """Names that the code of a file holds, in identifiers or strings; prose does not count."""
    names = tuple(known)
    tree = ast.parse(file.read_text())
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        text = ""
        match node:
            case ast.Constant(value=str(text)) if id(node) in prose:
                continue
            case ast.Constant(value=str(text)) | ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text):
                pass
            case ast.keyword(arg=str(text)) | ast.ImportFrom(module=str(text)) | ast.alias(name=text):
                pass
        yield from (name for name in names if name in text.lower())


def _own(path: Path) -> str:
    """The provider whose folder or manifest the file belongs to; "" for every other file."""
    if path.parts[:2] == ("voicecall", "carriers") and len(path.parts) > 3:
        return path.parts[2]
    return path.stem if path.parts[:2] == ("voicecall", "manifests") else ""


def _found(files: Iterator[Path], names: Iterator[str]) -> dict[str, set[str]]:
    known, found = tuple(names), {}
    for file in files:
        path = file.relative_to(_ROOT)
        if held := {name for name in _names_in(file, iter(known)) if name != _own(path)}:
            found[path.as_posix()] = held
    return found


def test_the_product_does_not_know_its_carriers_by_name() -> None:
    """What differs between them is in the manifest, a port or a setting; a condition on a name would go unnoticed."""
    files = (file for package in _PRODUCT for file in (_ROOT / package).rglob("*.py"))
    found = _found(files, iter(CARRIERS))
    assert set(found) == set(_CARRIERS_KNOWN), {
        path: each for path, each in found.items() if path not in _CARRIERS_KNOWN
    }


def test_settings_and_registry_do_not_know_speech_services_by_name() -> None:
    """A service's keys, variables, addresses and models stand in its manifest."""
    folders = ("voicecall/settings", "voicecall/manifests")
    files = [file for folder in folders for file in (_ROOT / folder).rglob("*.py")]
    files += [_ROOT / "voicecall/speech/registry.py", _ROOT / "voicecall/speech/retiring.py"]
    found = _found(iter(files), iter(_SPEECH))
    assert set(found) == set(_SPEECH_KNOWN), {path: each for path, each in found.items() if path not in _SPEECH_KNOWN}


def test_the_simulators_name_a_carrier_in_its_folder_and_in_one_table() -> None:
    """Twilio besides: it is the default of the development stack and the demo."""
    found = {}
    for file in (_ROOT / "simulators").rglob("*.py"):
        path = file.relative_to(_ROOT)
        if names := {name for name in _names_in(file, iter(CARRIERS)) if name != path.parts[1]}:
            found[path.as_posix()] = names
    others = {path: names - {"twilio"} for path, names in found.items() if path != "simulators/stack/carriers.py"}
    assert not any(others.values()), others


@pytest.mark.parametrize("name", CARRIERS)
def test_every_carrier_is_whole(name: str) -> None:
    """An adapter, a simulator that checks it, and its columns in the conformance matrix."""
    assert isinstance(adapter_of(name), Adapter)
    assert (_ROOT / "voicecall/carriers" / name / "codec.py").exists()
    assert (_ROOT / "simulators" / name / "__main__.py").exists()
    assert name in SIMULATORS
    assert name in WAYS


@pytest.mark.parametrize(
    "module",
    [
        *(f"voicecall.speech.stt.{service.adapter}" for service in STT.values()),
        *(f"voicecall.speech.tts.{name}" for name, service in TTS.items() if service.speaks),
    ],
)
def test_every_speech_service_has_an_adapter(module: str) -> None:
    assert callable(import_module(module).build)
