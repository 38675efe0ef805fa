"""The contract and the server agree: each method has one handler, and each handler has the contract's types."""

import inspect
from typing import get_args

import pytest

from gateway.methods import HANDLERS
from voicecall.api.methods import METHODS, SOCKET_METHODS, Method
from voicecall.client import AsyncVoicecall, Voicecall


def test_every_method_has_a_handler_and_every_handler_a_method() -> None:
    """A method of the contract that nothing serves would fail only when it is called."""
    assert set(HANDLERS) == {method.name for method in METHODS}


def test_every_method_has_a_name_of_its_own() -> None:
    names = [method.name for method in (*METHODS, *SOCKET_METHODS)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
def test_a_handler_takes_the_parameters_of_its_method(method: Method) -> None:
    """Handlers are bound by name, so the type checker does not compare them with the contract."""
    _, parameter = inspect.signature(HANDLERS[method.name]).parameters.values()
    assert method.params in (parameter.annotation, *get_args(parameter.annotation))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
def test_both_clients_have_every_method(method: Method) -> None:
    """Under its last words, as in `continue_result`; `continue` is a keyword of Python."""
    name = method.name.removeprefix("voicecall.").replace(".", "_")
    for client in (AsyncVoicecall, Voicecall):
        assert hasattr(client, "continue_" if name == "continue" else name)
