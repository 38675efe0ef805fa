"""Tools of an operator: by HTTP, and as an MCP server over streamable HTTP or stdio. They can misbehave."""
