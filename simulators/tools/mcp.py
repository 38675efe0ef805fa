"""The messages of an MCP server: JSON-RPC, without a transport. Written from the specification, revision 2025-06-18."""

from typing import Any, Final

from simulators.tools.script import Script

__all__ = ["VERSION", "answer", "asks_for"]

VERSION: Final = "2025-06-18"

Message = dict[str, Any]


def asks_for(message: Message) -> str:
    """The tool that a message calls, or ""."""
    return str(message["params"]["name"]) if message.get("method") == "tools/call" else ""


def answer(message: Message, script: Script, arguments: str = "{}") -> Message | None:
    """The answer to one message; None to a notification."""
    if "id" not in message:
        return None
    match message.get("method"):
        case "initialize":
            capabilities = {"tools": {"listChanged": False}}
            info = {"name": "tools simulator", "version": "1"}
            return _result(message, {"protocolVersion": VERSION, "capabilities": capabilities, "serverInfo": info})
        case "tools/list":
            return _result(message, {"tools": [_listed(name, script) for name in script.tools]})
        case "tools/call":
            return _called(message, script, arguments)
        case "ping":
            return _result(message, {})
        case _:
            return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}}


def _called(message: Message, script: Script, arguments: str) -> Message:
    name = asks_for(message)
    if name not in script.tools:
        return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32602, "message": "Unknown tool"}}
    content = [{"type": "text", "text": script.result(name, arguments)}]
    return _result(message, {"content": content, "isError": script.tools[name].status != 200})


def _listed(name: str, script: Script) -> Message:
    do = script.tools[name]
    return {"name": name, "description": do.description, "inputSchema": do.parameters}


def _result(message: Message, result: Message) -> Message:
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}
