"""The private server of the system: RPC, event feed and console for API clients, agent hosts and operators."""
