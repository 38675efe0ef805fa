# One image for all three processes; compose.yaml sets the command of each.
FROM python:3.11-slim AS build
WORKDIR /app
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY voicecall voicecall
COPY actors actors
COPY workers workers
COPY ingress ingress
COPY gateway gateway
COPY simulators simulators
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && /venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
# Ended calls are kept in this directory; a volume mounted on it inherits its owner.
RUN useradd --system --no-create-home voicecall && install -d -o voicecall -m 0700 /var/lib/voicecall
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 dramatiq_worker_timeout=50
USER voicecall
WORKDIR /app
CMD ["python", "-m", "ingress"]
