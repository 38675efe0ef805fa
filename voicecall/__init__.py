"""Phone calls for AI agents. Starts no process, owns no thread."""
