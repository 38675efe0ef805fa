"""The contract of the gateway: methods, parameters, results, scopes, error codes and frames.

The server (`gateway`), the Python client, the agent tool and the CLI share these types. Depends on the call's own types
and on `voicecall.errors`; knows no bus, no settings, no service and no transport.
"""
