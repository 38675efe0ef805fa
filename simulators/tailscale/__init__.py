"""The tailscale CLI's stand-in: `status --json`, `serve` and `funnel` with their routes, which outlast each run."""
