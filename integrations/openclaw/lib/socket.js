// One WebSocket to our gateway: `connect` with the token first, then requests out and events in.

/** `on`: greeted(), event(name, payload), refused(error), closed(). The last comes once, whatever happened. */
export function listen({ url, token }, on) {
  const socket = new WebSocket(url.replace(/^http/, "ws") + "/");
  let requests = 0;
  const send = (frame) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(frame));
  const ask = (method, params) => send({ type: "req", id: String(++requests), method, params });

  socket.addEventListener("open", () => ask("connect", { auth: { token } }));
  socket.addEventListener("close", () => on.closed());
  socket.addEventListener("error", () => {}); // "close" follows
  socket.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "event") on.event(frame.event, frame.payload);
    else if (!frame.ok) on.refused(frame.error);
    else if (frame.payload?.type === "hello-ok") on.greeted();
  });
  return { ask, tell: (event, payload) => send({ type: "event", event, payload }), close: () => socket.close() };
}
