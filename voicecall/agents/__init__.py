"""Agents: the adapters that write the replies of calls, one file each."""
