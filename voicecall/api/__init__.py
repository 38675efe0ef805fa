"""The contract of the gateway: methods, parameters, results, error codes and frames.

The server, the Python client, the agent tool and the CLI share these types. Knows no bus, no settings and no service.
"""
