"""A fake tailscale CLI: `status --json`, and `serve` and `funnel` with routes that outlast each run."""
