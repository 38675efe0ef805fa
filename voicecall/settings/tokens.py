"""Which bearer tokens the environment names, and whether they protect the addresses that it names.

The gateway does not start with a problem; `voicecall config check` and `voicecall doctor` report the warnings too.
"""

from voicecall.bearer import STRONG
from voicecall.settings.deployment import Deployment

__all__ = ["deployment_warnings", "gateway_problems", "metrics_tokens"]


def gateway_problems(deployment: Deployment) -> list[str]:
    """Why a gateway must not start: one sentence each, with the variable and the remedy; without a token in it."""
    tokens = _tokens(deployment)
    full = {tokens.get("VOICECALL_GATEWAY_TOKEN"), tokens.get("VOICECALL_GATEWAY_TOKEN_OLD")} - {None}
    reading = {tokens.get("VOICECALL_GATEWAY_READ_TOKEN"), tokens.get("VOICECALL_GATEWAY_READ_TOKEN_OLD")} - {None}
    problems = []
    if not deployment.gateway.is_loopback:
        if deployment.gateway_token is None:
            problems.append(
                f"VOICECALL_GATEWAY_TOKEN is required when the gateway listens on {deployment.gateway_bind};"
                " set it to a long random secret, or set VOICECALL_GATEWAY_BIND to 127.0.0.1"
            )
        problems += [
            f"{name} is shorter than {STRONG} characters, and the gateway listens on {deployment.gateway_bind}, where"
            f" it can be guessed; set it to {STRONG} random characters or more, as `openssl rand -hex 16` prints them,"
            " or set VOICECALL_GATEWAY_BIND to 127.0.0.1"
            for name in _short(deployment)
        ]
    elif reading and deployment.gateway_token is None:
        problems.append(
            "VOICECALL_GATEWAY_READ_TOKEN is set without VOICECALL_GATEWAY_TOKEN: no client can place a call; set both"
        )
    if full & reading:
        problems.append(
            "VOICECALL_GATEWAY_READ_TOKEN is the same as VOICECALL_GATEWAY_TOKEN: readers could act; choose another"
        )
    return problems


def metrics_tokens(deployment: Deployment) -> tuple[str, ...]:
    """The tokens whose holders may read `/metrics` of a server that is not on loopback: all that can read."""
    return tuple(token for token in _tokens(deployment).values() if len(token) >= STRONG)


def deployment_warnings(deployment: Deployment) -> list[str]:
    """What works, and not as it may be meant: one sentence each, what is so before a semicolon, then the remedy."""
    servers = {
        "VOICECALL_INGRESS_HEALTH": deployment.ingress_health,
        "VOICECALL_WORKER_HEALTH": deployment.worker_health,
    }
    warnings = [
        f"{name} is not on loopback, and no token is set: `/metrics` there is refused to all;"
        f" set VOICECALL_GATEWAY_READ_TOKEN, {STRONG} characters or more, in the environment of that process too"
        for name, address in servers.items()
        if address is not None and not address.is_loopback and not metrics_tokens(deployment)
    ]
    if deployment.gateway.is_loopback:
        warnings += [
            f"{name} is shorter than {STRONG} characters: where others guess from the same address, it is refused for"
            f" seconds; set it to {STRONG} random characters or more, as `openssl rand -hex 16` prints them"
            for name in _short(deployment)
        ]
    return warnings


def _tokens(deployment: Deployment) -> dict[str, str]:
    """The configured tokens by their variables."""
    tokens = {
        "VOICECALL_GATEWAY_TOKEN": deployment.gateway_token,
        "VOICECALL_GATEWAY_TOKEN_OLD": deployment.gateway_old_token,
        "VOICECALL_GATEWAY_READ_TOKEN": deployment.gateway_read_token,
        "VOICECALL_GATEWAY_READ_TOKEN_OLD": deployment.gateway_old_read_token,
    }
    return {name: token for name, token in tokens.items() if token}


def _short(deployment: Deployment) -> list[str]:
    return [name for name, token in _tokens(deployment).items() if len(token) < STRONG]
