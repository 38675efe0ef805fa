"""The tools that a model may call: schemas of the built-in ones, and the operator's own by HTTP and MCP."""
