"""Phone calls for AI agents: the subject of the house. Starts no process, owns no thread."""
