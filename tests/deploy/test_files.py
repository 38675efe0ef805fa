"""The files that start a deployment: systemd units, compose, Caddy and Kubernetes."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import DEPLOY, missing, run, tool
from tests.test_docs import VARIABLE
from voicecall.cli.roles import ROLES
from voicecall.settings import load_deployment, read_settings

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAM = "/opt/voicecall/bin/voicecall"
SECRETS = {
    "TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
    "TWILIO_AUTH_TOKEN": "0" * 32,
    "OPENAI_API_KEY": "sk-test",
    "VOICECALL_DOMAIN": "voice.example.com",
}


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def compose() -> dict[str, Any]:
    (file,) = documents(DEPLOY / "compose" / "compose.yaml")
    return file


# --- systemd


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_valid_and_hardened(unit: Path, tmp_path: Path) -> None:
    """With this environment's program in place of the installed one, which systemd looks for."""
    analyze = tool("systemd-analyze")
    program = str(Path(sys.executable).parent / "voicecall")
    copy = tmp_path / unit.name.replace("@.", "@1.")
    copy.write_text(unit.read_text(encoding="utf-8").replace(PROGRAM, program), encoding="utf-8")
    target = tmp_path / "voicecall.target"
    target.write_bytes((DEPLOY / "systemd" / "voicecall.target").read_bytes())
    assert "voicecall" not in run(analyze, "verify", "--man=no", str(copy), cwd=tmp_path)
    run(analyze, "security", "--offline=yes", "--threshold=25", str(copy), cwd=tmp_path)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_its_role_and_stops_it_in_time(unit: Path) -> None:
    """Status 78 is not tried again; SIGTERM goes to the program itself, which has 30 s."""
    text = unit.read_text(encoding="utf-8")
    role = unit.name.removeprefix("voicecall-").partition(".")[0].removesuffix("@")
    assert re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE) == [f"{PROGRAM} {role}"]
    assert role in ROLES
    for line in ("Restart=always", "RestartPreventExitStatus=78", "KillMode=mixed", "TimeoutStopSec=30"):
        assert f"\n{line}\n" in text


def test_the_environment_of_the_units_is_read(tmp_path: Path) -> None:
    """Every secret is a file, and every variable one that the program knows."""
    lines = (DEPLOY / "systemd" / "voicecall.env").read_text(encoding="utf-8").splitlines()
    variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(variables) - {"VOICECALL_CONFIG"} == {name for name in variables if name.endswith("_FILE")}
    assert {name.removesuffix("_FILE") for name in variables} <= documented()
    (tmp_path / "redis_url").write_text("redis://:word@redis:6379/3\n", encoding="utf-8")
    assert load_deployment({"REDIS_URL_FILE": str(tmp_path / "redis_url")}).redis_url == "redis://:word@redis:6379/3"


# --- compose


def test_compose_is_valid_for_docker() -> None:
    docker = tool("docker")
    try:
        run(docker, "compose", "version")
    except AssertionError:
        missing("docker")
    folder = DEPLOY / "compose"
    run("env", "VOICECALL_DOMAIN=voice.example.com", docker, "compose", "config", "--quiet", cwd=folder)


@pytest.mark.parametrize("name", compose()["services"])
def test_a_service_is_limited_and_cannot_write(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert service["ulimits"]["nofile"]["soft"] >= 65_536


def test_compose_publishes_the_proxy_alone() -> None:
    """Everything else is published on loopback or not at all; two ingresses, and metrics that can be scraped."""
    services = compose()["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published.pop("proxy") == ["80:80", "443:443", "443:443/udp"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    ours = {name: service["environment"] for name, service in services.items() if name not in _OTHERS}
    assert set(ours) == {"ingress-a", "ingress-b", "worker", "gateway"}
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = {(name, found["port"]) for found in scraped[0]["dns_sd_configs"] for name in found["names"]}
    assert targets == {("ingress-a", 3336), ("ingress-b", 3336), ("worker", 3337), ("gateway", 3335)}
    assert ours["ingress-a"]["VOICECALL_INGRESS_HEALTH"] == "0.0.0.0:3336"
    assert ours["worker"]["VOICECALL_WORKER_HEALTH"] == "0.0.0.0:3337"


_OTHERS = {"proxy", "redis", "prometheus"}


def test_compose_passes_variables_that_the_program_knows_and_secrets_as_files() -> None:
    file = compose()
    for name, service in file["services"].items():
        if name in _OTHERS:
            continue
        variables = {key.removesuffix("_FILE") for key in service["environment"]} - {"VOICECALL_DOMAIN"}
        assert variables <= documented(), name
        for key, value in service["environment"].items():
            if key.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert {secret["file"] for secret in file["secrets"].values()} == {f"secrets/{name}" for name in file["secrets"]}


def test_the_secrets_of_compose_are_made_once_and_never_again(tmp_path: Path) -> None:
    """Random where they can be; a second run changes none, for Redis's password is in use by then."""
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "compose" / "secrets.sh").read_bytes())
    env = ("env", *(f"{name}={value}" for name, value in SECRETS.items()), "sh", str(script))
    run(*env, cwd=tmp_path)
    made = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "secrets").iterdir()}
    run(*env, cwd=tmp_path)
    assert made == {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(compose()["secrets"])
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    password = made["redis_auth"].removeprefix("requirepass ").strip()
    assert made["redis_url"] == f"redis://:{password}@redis:6379/0\n"
    assert len(password) == 48


@pytest.mark.parametrize("file", ["compose/voicecall.json5", "kubernetes/config.json5"])
def test_a_configuration_is_valid(file: str) -> None:
    environ = {**SECRETS, "VOICECALL_CONFIG": str(DEPLOY / file)}
    loaded = read_settings(environ)
    assert loaded.settings.serve.bind == "0.0.0.0"
    assert loaded.settings.webhook_url == "https://voice.example.com/voice/webhook"
    proxy = compose()["services"]["proxy"]["networks"]["inside"]["ipv4_address"]
    assert loaded.settings.webhook_security.trusted_proxy_ips in {(proxy,), ()}


def test_the_proxy_s_configuration_is_valid_and_passes_our_paths() -> None:
    run(tool("caddy"), "validate", "--adapter", "caddyfile", "--config", "caddy/Caddyfile")


# --- Kubernetes


def manifests() -> list[dict[str, Any]]:
    return [one for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for one in documents(path)]


def kinds(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == kind}


def test_kustomize_builds_the_manifests_and_their_schemas_hold(tmp_path: Path) -> None:
    """HTTPRoute has no schema there: the Gateway API is not part of Kubernetes."""
    built = tmp_path / "built.yaml"
    built.write_text(run(tool("kubectl"), "kustomize", "kubernetes"), encoding="utf-8")
    printed = run(tool("kubernetes-validate"), "--strict", str(built))
    expected = sum(one["kind"] != "Kustomization" for one in manifests()) + 1  # and the generated ConfigMap
    assert printed.count("passed for resource") == expected - 1
    assert "kind HTTPRoute" in printed


@pytest.mark.parametrize("role", ["gateway", "ingress", "worker"])
def test_a_role_has_probes_grace_and_a_budget(role: str) -> None:
    pod = kinds("Deployment")[role]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] == 30
    assert container["command"] == ["voicecall", role]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "memory" in container["resources"]["limits"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert set(variables) <= documented()
    health = next(port["containerPort"] for port in container["ports"] if port["name"] == "health")
    deployment = load_deployment(variables)
    listeners = {
        "ingress": deployment.ingress_health,
        "worker": deployment.worker_health,
        "gateway": deployment.gateway,
    }
    listener = listeners[role]
    assert listener is not None
    assert (listener.host, listener.port) == ("0.0.0.0", health)
    assert kinds("PodDisruptionBudget")[role]["spec"]["maxUnavailable"] == 1


def test_workers_are_scaled_by_their_live_calls_within_their_slots() -> None:
    scaler = kinds("HorizontalPodAutoscaler")["worker"]["spec"]
    (metric,) = scaler["metrics"]
    (container,) = kinds("Deployment")["worker"]["spec"]["template"]["spec"]["containers"]
    slots = next(int(one["value"]) for one in container["env"] if one["name"] == "VOICECALL_WORKER_SLOTS")
    assert metric["pods"]["metric"]["name"] == "voicecall_calls_active"
    assert int(metric["pods"]["target"]["averageValue"]) < slots
    assert scaler["minReplicas"] >= 2
    assert "replicas" not in kinds("Deployment")["worker"]["spec"]


def test_the_route_and_the_policies_lead_to_the_ports_that_are_open() -> None:
    """A selector or a port that matches nothing is no error to Kubernetes."""
    route = kinds("HTTPRoute")["voicecall"]["spec"]["rules"][0]
    paths = tuple(match["path"]["value"] for match in route["matches"])
    settings = read_settings({**SECRETS, "VOICECALL_CONFIG": str(DEPLOY / "kubernetes" / "config.json5")}).settings
    assert settings.serve.path.startswith(paths)
    assert settings.streaming.stream_path.startswith(paths)
    backend = route["backendRefs"][0]
    assert backend["port"] == settings.serve.port == kinds("Service")[backend["name"]]["spec"]["ports"][0]["port"]
    pods = [one["spec"]["template"] for one in kinds("Deployment").values()]
    for name, policy in kinds("NetworkPolicy").items():
        wanted = policy["spec"]["podSelector"].get("matchLabels", {})
        chosen = [pod for pod in pods if wanted.items() <= pod["metadata"]["labels"].items()]
        assert chosen, name
        for rule in policy["spec"].get("ingress", []):
            opened = {port["containerPort"] for pod in chosen for port in pod["spec"]["containers"][0]["ports"]}
            assert {port["port"] for port in rule["ports"]} <= opened, name


def documented() -> set[str]:
    page = (DEPLOY.parent / "docs" / "configuration.md").read_text(encoding="utf-8")
    return set(VARIABLE.findall(page))
