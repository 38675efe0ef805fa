"""The private server of the system: RPC, event feed and dashboard for API clients, agent hosts and operators."""
