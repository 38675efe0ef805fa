/* A file made by the page, and the ways to write calls into one. */

/** Offer `parts` as a file of this name. */
export function download(name, type, parts) {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

const COLUMNS = ["callId", "startedAt", "answeredAt", "endedAt", "direction", "from", "to", "provider", "agentId", "endReason", "turns", "lastTurnLatencyMs", "billedSeconds", "price", "currency"];

export const csvHead = `${COLUMNS.join(",")}\r\n`;

/** One line of CSV: the facts of a call without its transcript. */
export function csvLine(record) {
  const facts = record.metadata ?? {};
  const iso = (at) => (at ? new Date(at).toISOString() : "");
  const values = { ...record, turns: facts.turnCount, lastTurnLatencyMs: facts.lastTurnLatencyMs, billedSeconds: facts.billedSeconds, price: facts.price, currency: facts.currency };
  for (const name of ["startedAt", "answeredAt", "endedAt"]) values[name] = iso(record[name]);
  return `${COLUMNS.map((name) => cell(values[name])).join(",")}\r\n`;
}

/** A caller may choose what stands in "from": what a spreadsheet would compute is written as text. */
function cell(value) {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) && !/^\+\d+$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
