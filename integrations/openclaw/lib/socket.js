// One WebSocket to the voicecall gateway: authenticates with `connect`, then sends requests and receives events.

/** `on`: connected(), event(name, payload), refused(error), closed(). The last is called exactly once. */
export function connect({ url, token }, on) {
  const socket = new WebSocket(url.replace(/^http/, "ws") + "/");
  let requests = 0;
  const write = (frame) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(frame));
  const request = (method, params) => write({ type: "req", id: String(++requests), method, params });

  socket.addEventListener("open", () => request("connect", { auth: { token } }));
  socket.addEventListener("close", () => on.closed());
  socket.addEventListener("error", () => {}); // "close" follows
  socket.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "event") on.event(frame.event, frame.payload);
    else if (!frame.ok) on.refused(frame.error);
    else if (frame.payload?.type === "hello-ok") on.connected();
  });
  return { request, send: (event, payload) => write({ type: "event", event, payload }), close: () => socket.close() };
}
