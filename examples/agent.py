"""An agent of one's own answers calls (`responseModel: "remote/mine"`, docs/agent-hosts.md)."""

import asyncio
import os

import aiohttp

URL, TOKEN = os.environ.get("VOICECALL_GATEWAY_URL", "http://127.0.0.1:3335"), os.environ.get("VOICECALL_GATEWAY_TOKEN")


async def main() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    async with aiohttp.ClientSession(headers=headers) as http, http.ws_connect(URL) as gateway:
        mine = {"name": "mine", "agents": ["mine"]}
        await gateway.send_json({"type": "req", "id": "1", "method": "voicecall.agent.register", "params": mine})
        async for message in gateway:
            frame = message.json()
            if frame.get("event") == "agent.request":
                turn = frame["payload"]
                reply = {"requestId": turn["requestId"], "text": f"I heard: {turn['text']}"}  # your agent's reply
                await gateway.send_json({"type": "event", "event": "agent.done", "payload": reply})


asyncio.run(main())
