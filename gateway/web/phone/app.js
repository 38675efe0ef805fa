// The test phone: joins the line, the audio and the gateway's feed with the page. docs/phone.md has the frames.

import { $, put } from "../common/dom.js";
import { Gateway } from "../common/gateway.js";
import { PhoneAudio } from "./audio.js";
import { Line } from "./line.js";
import { fromBase64, toBase64 } from "./mulaw.js";
import { drawEvent, drawFloor, drawLevels, drawTurns, drawWords, notice } from "./view.js";
import { Words } from "./words.js";

const PROCESSING = ["echoCancellation", "noiseSuppression", "autoGainControl"];
const PLAYED_KEPT = 60 * 50; // frames of what was heard: one minute
const STATUS_EVERY_MS = 250;
const LAST_WORDS_MS = [300, 1500];
const LOUD = 0.01;
const READING_MS_PER_CHARACTER = 60;
const ENDS = {
  completed: "The call has ended.",
  "hangup-bot": "The agent hung up.",
  busy: "Busy: the agent takes no further call now.",
  failed: "The call was not taken. Is `inboundPolicy` of the configuration \"open\", or your number in `allowFrom`?",
  timeout: "The call reached its longest duration.",
  "no-answer": "Not answered.",
  declined: "Declined.",
};
const WITHOUT_SPEECH = "This configuration has no speech services: your browser speaks, and you type what you say.";
const CAUSES = { died: "its worker had died", "handed-over": "it was handed over in order", lapsed: "its lease had lapsed" };

const phone = {
  state: "idle", // idle, calling, ringing, up
  welcome: null,
  leg: "",
  callId: "",
  stream: "",
  since: 0,
  callerSpeaks: false,
  agentSpeaks: false,
  muted: false,
  killedAt: 0,
  goneAt: 0,
  prompt: 0,
  sent: 0,
  received: 0,
  report: null,
  played: [],
};
let words = new Words();
let turns = [];
let latest = ""; // the newest turn's spans

// --- the parts

const audio = new PhoneAudio({
  onFrame: (report) => {
    phone.report = report;
    phone.played.push(report.played);
    if (phone.played.length > PLAYED_KEPT) phone.played.shift();
    if (phone.stream && line.sendAudio(phone.stream, toBase64(report.frame))) phone.sent++;
  },
  onMark: (name) => {
    if (!line.send("mark", { name })) returned.push(name);
  },
  onChange: () => show(),
});
const returned = []; // marks that were passed while the line was down

const line = new Line({
  held: () => audio.marks,
  onFrame: (frame) => (FRAMES[frame.event] || unknown)(frame),
  onDown: (why) => {
    linked(false);
    notice(why || (phone.state === "up" ? "The line is lost; it is coming back into the same call." : "Reconnecting to the gateway."));
  },
  onToken: (message) => askForToken(message),
  onGone: (reason) => {
    linked(false);
    idle();
    gateway.disconnect();
    audio.releaseMicrophone();
    for (const button of document.querySelectorAll("main button")) button.disabled = true;
    notice(`${reason} Load the page again to use it as a new phone.`);
  },
});

const gateway = new Gateway();
gateway.addEventListener("state", () => {
  if (gateway.state === "open") refresh();
  else if (gateway.state === "refused") askForToken(gateway.token ? gateway.problem : "");
});

function onItem(item) {
  if (item.callId !== phone.callId) return;
  for (const event of item.events) happened(event);
  refresh();
}

// --- frames of the line

const FRAMES = {
  welcome(frame) {
    phone.welcome = frame;
    linked(true);
    notice("");
    for (const name of returned.splice(0)) line.send("mark", { name });
    $("number").textContent = frame.number;
    $("kills").hidden = frame.kills.length === 0;
    $("agents").hidden = frame.agents.length < 2;
    $("agent").replaceChildren(...frame.agents.map((number) => put("option", number)));
    const lost = phone.state === "up" || phone.state === "calling";
    if (frame.call) resume(frame.call);
    else idle();
    if (lost && !frame.call) said("The call ended while the line was lost.");
  },
  calling: (frame) => begin("calling", frame, "Calling your agent…"),
  ringing(frame) {
    if (phone.state !== "idle") return;
    begin("ringing", frame, "Your agent calls you");
    $("caller").textContent = frame.from;
  },
  up(frame) {
    phone.state = "up";
    phone.since = Date.now();
    said("In a call");
    show();
    follow(frame);
  },
  stream(frame) {
    phone.stream = frame.stream;
    audio.reset();
    const after = phone.goneAt ? ` again, after ${Date.now() - phone.goneAt} ms` : "";
    phone.goneAt = 0;
    drawEvent(Date.now(), `media socket open${after}`);
  },
  gone() {
    phone.stream = "";
    phone.goneAt = Date.now();
    drawEvent(phone.goneAt, "media socket lost; the carrier opens the next one");
  },
  audio(frame) {
    if (frame.stream !== phone.stream) return;
    phone.received++;
    audio.put(fromBase64(frame.payload));
  },
  mark: (frame) => frame.stream === phone.stream && audio.mark(frame.name),
  clear: (frame) => frame.stream === phone.stream && audio.clear(),
  prompt: (frame) => speak(frame.number, frame.text),
  silence: () => stopPrompt(),
  tick: () => {},
  digits: (frame) => drawEvent(Date.now(), `the agent pressed ${frame.digits}`),
  refused: (frame) => notice(frame.message),
  killed(frame) {
    phone.killedAt = Date.now();
    drawEvent(phone.killedAt, `the ${frame.role} was killed (kill -9); the supervisor starts it again`);
  },
  over(frame) {
    if (frame.leg !== phone.leg) return;
    idle();
    said(ENDS[frame.reason] || `Ended: ${frame.reason}.`);
  },
};

const unknown = (frame) => console.warn("unknown frame", frame.event);

// --- the state of the phone

function begin(state, call, text) {
  phone.state = state;
  phone.leg = call.leg;
  phone.callId = "";
  phone.stream = "";
  phone.callerSpeaks = phone.agentSpeaks = false;
  words = new Words();
  turns = [];
  latest = "";
  $("events").replaceChildren();
  drawWords([]);
  drawTurns([]);
  said(text);
  show();
}

// The exchange says that this phone is in a call: after a lost line, a gateway's restart, or when the page was loaded anew.
function resume(call) {
  if (phone.leg !== call.leg) {
    begin(call.state === "up" ? "up" : "calling", call, call.state === "up" ? "In a call" : "Calling your agent…");
    phone.since = Date.now();
  }
  if (call.state === "up" && phone.state !== "up") FRAMES.up(call);
  if (call.stream !== phone.stream) {
    phone.stream = call.stream;
    audio.reset();
  }
  follow(call);
  show();
}

function idle() {
  phone.state = "idle";
  phone.stream = "";
  stopPrompt();
  audio.reset();
  audio.releaseMicrophone();
  for (const ms of LAST_WORDS_MS) setTimeout(refresh, ms);
  said("Ready");
  show();
}

function show() {
  const { state } = phone;
  $("idle").hidden = state !== "idle";
  $("incoming").hidden = state !== "ringing";
  $("incall").hidden = state !== "up" && state !== "calling";
  for (const button of $("keypad").querySelectorAll("button")) button.disabled = state !== "up";
  if (phone.welcome) $("microphone").textContent = phone.welcome.streams ? audio.problem : WITHOUT_SPEECH;
  $("mute").disabled = !audio.hasMicrophone;
  $("resume").hidden = state !== "up" || audio.isRunning || !phone.welcome.streams;
  document.title = state === "ringing" ? "☎ Your agent calls" : "Test phone · voicecall";
}

function said(text) {
  $("state").textContent = text;
}

function linked(up) {
  $("link").textContent = up ? "connected" : "not connected";
  $("link").className = up ? "up" : "";
  if (up) {
    $("login").hidden = true;
    $("phone").hidden = false;
  }
}

function askForToken(message) {
  $("problem").textContent = message;
  $("login").hidden = false;
  if (phone.state === "idle") $("phone").hidden = true;
  linked(false);
  $("link").textContent = "a token is needed";
  $("token").focus();
}

// --- the gateway's view of the call

async function follow(call) {
  phone.callId = call.callId || phone.callId;
  for (let attempt = 0; !phone.callId && attempt < 20 && phone.leg === call.leg; attempt++) {
    const answer = await gateway.request("voicecall.status", { sid: call.leg }).catch(() => ({ found: false }));
    if (answer.found) phone.callId = answer.call.callId;
    else await new Promise((resolve) => setTimeout(resolve, STATUS_EVERY_MS));
  }
  if (phone.callId) gateway.subscribe("call", { callId: phone.callId, last: 200 }, { onItem });
  refresh();
}

let asking = false;
let again = false;

async function refresh() {
  if (!phone.callId) return;
  again = asking;
  if (asking) return;
  asking = true;
  const { callId } = phone;
  const answer = await gateway.request("voicecall.status", { callId }).catch(() => ({ found: false }));
  if (answer.found && callId === phone.callId) recorded(answer.call);
  setTimeout(() => {
    asking = false;
    if (again) refresh();
  }, STATUS_EVERY_MS);
}

function recorded(call) {
  drawWords(words.update(call.transcript || []));
  const { turnCount, lastTurnSpans } = call.metadata;
  const newest = JSON.stringify(lastTurnSpans);
  if (lastTurnSpans === undefined || newest === latest) return;
  latest = newest;
  turns.unshift({ turn: turnCount, spans: lastTurnSpans });
  drawTurns(turns);
}

function happened(event) {
  const text = (HAPPENED[event.type] || (() => ""))(event);
  if (text) drawEvent(event.at, text);
}

const HAPPENED = {
  SpeechStarted: () => void (phone.callerSpeaks = true),
  SpeechStopped: () => void (phone.callerSpeaks = false),
  Heard: (event) => {
    if (event.final !== false) phone.callerSpeaks = false;
  },
  Reactivated: (event) => {
    const took = phone.killedAt ? `, ${Math.max(0, event.at - phone.killedAt)} ms after the kill` : "";
    phone.killedAt = 0;
    return `another worker took the call over: ${CAUSES[event.cause] || event.cause}${took}`;
  },
  PlaybackDone: (event) => (event.complete === false ? `the agent was cut after ${event.heardMs} ms` : ""),
  Keyed: (event) => `you pressed ${event.digits}`,
  SpeechFailed: (event) => `the voice failed: ${event.reason}`,
  AgentFailed: (event) => `the agent failed: ${event.reason}`,
  HearingLost: () => "speech recognition broke off; it is coming back",
  HearingBack: () => "speech recognition is back",
  HearingFailed: (event) => `speech recognition failed: ${event.reason}`,
};

// --- the phone's own voice, where nothing is streamed

function speak(number, text) {
  stopPrompt();
  if (!text) return;
  phone.prompt = number;
  phone.agentSpeaks = true;
  const done = () => {
    if (phone.prompt !== number) return;
    phone.agentSpeaks = false;
    phone.prompt = 0;
    line.send("said", { number });
  };
  const voices = window.speechSynthesis ? speechSynthesis.getVoices() : [];
  if (!voices.length) {
    phone.reading = setTimeout(done, Math.max(500, text.length * READING_MS_PER_CHARACTER));
    return;
  }
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.onend = utterance.onerror = done;
  speechSynthesis.speak(utterance);
}

function stopPrompt() {
  phone.prompt = 0;
  phone.agentSpeaks = false;
  clearTimeout(phone.reading);
  if (window.speechSynthesis) speechSynthesis.cancel();
}

// --- buttons

const processing = () => Object.fromEntries(PROCESSING.map((name) => [name, $(name).checked]));

// Sound, if it can be had; the call goes on without.
async function sound() {
  if (!phone.welcome || !phone.welcome.streams) return;
  try {
    await audio.start(processing());
    if (!audio.isRunning) notice("This browser plays no sound: is there a loudspeaker? The words appear all the same.");
  } catch (error) {
    notice(`This browser cannot play the call: ${error.message}. The words appear all the same.`);
  }
  audio.mute(phone.muted);
  show();
}

function on(id, event, action) {
  $(id).addEventListener(event, (happening) => {
    happening.preventDefault();
    action();
  });
}

on("call", "click", async () => {
  notice("");
  $("call").disabled = true;
  await sound();
  $("call").disabled = false;
  line.send("call", { to: $("agent").value });
});
on("ring", "submit", async () => {
  notice("");
  const order = { to: phone.welcome.number, message: $("opening").value, mode: "conversation" };
  said("Asking your agent to call you…");
  await gateway.request("voicecall.initiate", order).catch((refusal) => {
    said("Ready");
    notice(`No call was placed: ${refusal.message}`);
  });
});
on("answer", "click", async () => {
  await sound();
  line.send("answer", { leg: phone.leg });
});
on("decline", "click", () => line.send("decline", { leg: phone.leg }));
on("hangup", "click", () => line.send("hangup"));
on("resume", "click", () => sound());
on("mute", "click", () => {
  phone.muted = !phone.muted;
  audio.mute(phone.muted);
  $("mute").setAttribute("aria-pressed", String(phone.muted));
  $("mute").textContent = phone.muted ? "Unmute" : "Mute";
});
on("type", "submit", () => {
  const text = $("typed").value.trim();
  if (text && line.send("say", { text })) $("typed").value = "";
});
for (const role of ["worker", "ingress"]) on(`kill-${role}`, "click", () => line.send("kill", { role }));
on("login", "submit", () => {
  const token = $("token").value;
  $("token").value = "";
  $("problem").textContent = "";
  connect(token);
});
for (const digit of "123456789*0#") {
  const key = put("button", digit);
  key.type = "button";
  key.addEventListener("click", () => line.send("key", { digit }));
  $("keypad").append(key);
}
addEventListener("keydown", (event) => {
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (!typing && phone.state === "up" && /^[0-9*#]$/.test(event.key)) line.send("key", { digit: event.key });
});
for (const name of PROCESSING) {
  const kept = localStorage.getItem(`voicecall.${name}`);
  if (kept !== null) $(name).checked = kept === "true";
  $(name).addEventListener("change", () => localStorage.setItem(`voicecall.${name}`, String($(name).checked)));
}

setInterval(() => {
  if (phone.state !== "up") return;
  const seconds = Math.floor((Date.now() - phone.since) / 1000);
  $("timer").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const { microphone = 0, speaker = 0 } = phone.report || {};
  drawLevels(microphone, speaker);
  drawFloor(speaker > LOUD || phone.agentSpeaks ? "agent" : phone.callerSpeaks ? "caller" : "");
}, 100);

function connect(token) {
  gateway.connect(token);
  line.connect(token);
}

/** Facts for those who debug the page. `played()`: the last minute of what was heard, as base64 of 8 kHz mu-law. */
globalThis.voicecallPhone = {
  facts: () => ({
    state: phone.state,
    leg: phone.leg,
    callId: phone.callId,
    stream: phone.stream,
    sent: phone.sent,
    received: phone.received,
    device: line.device,
    microphone: audio.hasMicrophone,
    audio: audio.facts,
    waiting: phone.report ? phone.report.waiting : 0,
    underruns: phone.report ? phone.report.underruns : 0,
    marks: audio.marks.length,
  }),
  played: () => {
    const bytes = phone.played.flatMap((part) => [...part]);
    let text = "";
    for (let start = 0; start < bytes.length; start += 3000) text += toBase64(bytes.slice(start, start + 3000));
    return text;
  },
};

show();
connect("");
