"""Checks the processes: job queues, gateway and its tokens, ingress, workers, dead letters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import aiohttp

from voicecall.bus.doorbell import require_queue
from voicecall.client import AsyncVoicecall, GatewayDown, Refused, TokenRefused
from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.errors import BusUnavailable, ConfigError
from voicecall.settings import Deployment, deployment_warnings, gateway_problems

__all__ = [
    "Health",
    "gateway_answers",
    "health",
    "judge_dead_letters",
    "judge_health",
    "judge_tokens",
    "judge_workers",
    "queue_answers",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The answer of `/readyz`. `status` 0: no process answered."""

    url: str
    status: int = 0
    body: str = ""


async def health(http: aiohttp.ClientSession, url: str) -> Health:
    """GET `/readyz` of a process. Raises nothing."""
    try:
        async with http.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=3.0)) as answer:
            return Health(url=url, status=answer.status, body=(await answer.text())[:60].strip())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return Health(url=url, body=getattr(error, "strerror", None) or type(error).__name__)


def judge_tokens(deployment: Deployment) -> Iterator[Finding]:
    """Whether the tokens of the environment protect the addresses that it names; nothing when they do."""
    for problem in gateway_problems(deployment):
        yield fail("environment.tokens", *problem.split("; ", 1))
    for warning in deployment_warnings(deployment):
        yield warn("environment.tokens", *warning.split("; ", 1))


async def queue_answers(deployment: Deployment) -> Finding:
    """Whether the Redis of the job queues, when it is another one, takes commands."""
    check = "redis.jobs"
    try:
        await require_queue(deployment, must_answer=True)
    except ConfigError as error:
        return fail(check, *error.problems[0].split("; ", 1))
    except BusUnavailable as error:
        return fail(check, str(error), error.remedy.replace("REDIS_URL", "VOICECALL_JOBS_REDIS_URL"))
    return ok(check, "accepts commands")


async def gateway_answers(deployment: Deployment) -> Finding:
    """Whether the gateway takes our token, and how many calls are live."""
    check = "gateway.token"
    try:
        async with AsyncVoicecall(deployment.gateway_url, token=deployment.gateway_token or "") as gateway:
            live = len(await gateway.calls())
    except TokenRefused:
        return fail(check, "the gateway refuses our token", "set VOICECALL_GATEWAY_TOKEN to the gateway's")
    except (GatewayDown, Refused) as error:
        return fail(check, f"it does not answer: {error}", "read the gateway's log")
    return ok(check, f"accepted; {live} live calls")


def judge_health(process: str, seen: Health, start: str) -> Finding:
    check = f"{process}.health"
    if seen.status == 200:
        return ok(check, f"ready at {seen.url}")
    if seen.status:
        return fail(check, f"{seen.url} is not ready: {seen.body}", f"read the {process}'s log")
    return fail(check, f"no answer at {seen.url}: {seen.body}", start)


def judge_workers(nodes: Sequence[str]) -> Finding:
    if nodes:
        return ok("workers", f"{len(nodes)} alive: {', '.join(nodes[:5])}{' …' if len(nodes) > 5 else ''}")
    return fail("workers", "no worker is running", "start one: voicecall worker")


def judge_dead_letters(count: int) -> Iterator[Finding]:
    if count:
        yield warn("dead-letters", f"{count} are kept", "read them: voicecall dead list")
    else:
        yield ok("dead-letters", "none")
