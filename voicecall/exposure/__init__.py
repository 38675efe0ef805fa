"""How a house on a private address is reached from outside: by ngrok, by tailscale, or by a URL of its own.

The ingress opens what is configured and closes it again; the CLI shows and switches the tailscale part by hand. Knows
the configuration and other people's programs; knows no carrier, no bus and no door.
"""
