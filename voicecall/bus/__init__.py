"""The bus: the Redis adapters of the ports. Log, leases, feed, media, doorbell; every change is one Lua script."""
