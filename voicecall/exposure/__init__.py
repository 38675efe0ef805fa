"""How an ingress on a private address is reached from outside: through ngrok, through tailscale, or by `publicUrl`.

The ingress opens what is configured and closes it again; the CLI shows and switches the tailscale part by hand. Knows
the configuration and the programs of third parties; knows no carrier and no bus.
"""
