"""Tunnels and public addresses, with fake ngrok and tailscale binaries."""
