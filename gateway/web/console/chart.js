/* The latency chart: p50 and p95 of the waits for a reply over time. */

import { svg } from "../common/dom.js";
import { clock } from "../common/format.js";

const WIDTH = 640;
const HEIGHT = 132;
const LEFT = 52;
const BOTTOM = 20;
const STEPS = [250, 500, 1000, 2000, 5000, 10_000, 30_000];

/** An SVG of `points` ({at, p50, p95}) between two times. */
export function latencyChart(points, from, to) {
  const most = Math.max(500, ...points.map((point) => point.p95));
  const step = STEPS.find((one) => most / one <= 4) ?? 60_000;
  const top = Math.ceil(most / step) * step;
  const x = (at) => LEFT + ((at - from) / (to - from)) * (WIDTH - LEFT - 8);
  const y = (ms) => 8 + (1 - ms / top) * (HEIGHT - BOTTOM - 8);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "latency", role: "img", "aria-label": described(points) });
  for (let ms = 0; ms <= top; ms += step) {
    drawing.append(
      svg("line", { x1: LEFT, x2: WIDTH - 8, y1: y(ms), y2: y(ms), class: "grid" }),
      svg("text", { x: LEFT - 8, y: y(ms) + 4, class: "tick end" }, ms >= 1000 || top >= 2000 ? `${ms / 1000} s` : `${ms} ms`),
    );
  }
  for (const share of [0, 0.5, 1]) {
    const at = from + share * (to - from);
    drawing.append(svg("text", { x: x(at), y: HEIGHT - 4, class: `tick ${["start", "middle", "end"][share * 2]}` }, clock(at).slice(0, 5)));
  }
  for (const name of ["p95", "p50"]) {
    drawing.append(svg("polyline", { class: name, points: points.map((point) => `${x(point.at)},${y(point[name])}`).join(" ") }));
    for (const point of points) drawing.append(svg("circle", { class: name, cx: x(point.at), cy: y(point[name]), r: 2.2 }));
  }
  return drawing;
}

function described(points) {
  const last = points.at(-1);
  return last
    ? `How long callers wait for a reply: at ${clock(last.at)} half within ${last.p50} ms, 95 % within ${last.p95} ms`
    : "How long callers wait for a reply: no replies yet";
}
