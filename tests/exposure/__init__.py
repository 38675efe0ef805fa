"""Tunnels, with stand-ins for ngrok and tailscale: real processes that are found on the PATH and keep a ledger."""
