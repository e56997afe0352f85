// -- pieces that every screen is made of -------------------------------------------------------

function rewardBar(reward, delta) {
  if (!isThere(reward)) return el("div", {class: "faint"}, "not scored");
  const at = share => Math.max(0, Math.min(100, 100 * share)) + "%";
  return el("div", {}, `reward ${number(reward)}`,
    el("div", {class: "bar", role: "img", "aria-label": `reward ${number(reward)}, delta ${number(delta)}`},
      el("div", {class: "fill", style: {width: at(reward)}}), isThere(delta) ? el("div", {class: "tick", style: {left: at(delta)}, title: `delta ${delta}`}) : null));
}
function rejectedDraft(step, index) {
  if (!isThere(step.rejected_text)) return null;
  return el("li", {}, el("details", {class: "lost"},
    el("summary", {}, `step ${index + 1}: rejected draft, reward ${number(step.reward)}`),
    el("div", {class: "said"}, words(step.rejected_text, step.text).map(([kind, text]) => el(kind, {}, text)))));
}
function stepTimes(step) {
  const said = laneTimes(step.spans || []).filter(({ms}) => ms).map(({lane, ms}) => `${lane} ${duration(ms)}`);
  return said.length ? el("div", {}, said.join(", ")) : null;
}
function stepRow(step, index, delta, marks = {}) {
  const rejected = rejectedDraft(step, index), kind = ["step", step.source, ...Object.keys(marks).filter(mark => marks[mark] === true)];
  const calls = (step.tool_calls || []).map(call => el("pre", {class: "text"}, `${call.function.name}(${call.function.arguments})`));
  return [rejected, el("li", {class: kind.join(" "), tabindex: "0", "data-step": index, "data-rejected": rejected ? "1" : null},
    el("span", {class: "who", role: "img", title: step.source, "aria-label": `written by the ${step.source}`}, step.source === "draft" ? "D" : "T"),
    el("div", {class: "said"}, step.text, calls, marks.note ? el("div", {class: "faint"}, marks.note) : null),
    el("div", {class: "side"}, rewardBar(step.reward, delta), `${step.tokens} tokens · ${duration(step.ms || 0)}`, stepTimes(step),
      step.phase === "thinking" ? el("div", {class: "faint"}, step.ended === "closed" ? "thinking, closed here" : "thinking") : null,
      ["separator", "closed", "eos"].includes(step.ended) ? null : el("div", {class: "bad"}, `ended by ${step.ended}`)))];
}
const stepList = (answer, delta, marks = () => ({})) =>
  el("ol", {class: "steps"}, answer.steps.map((step, index) => stepRow(step, index, delta, marks(index))));

function timeline(answer) {
  const spans = spansOf(answer);
  if (!spans.length) return null;
  const total = Math.max(1, ...spans.map(span => span.from + span.ms)), across = ms => 60 + 930 * ms / total;
  const y = lane => 4 + 18 * LANES.indexOf(lane);
  const bars = spans.flatMap(span => {
    const place = {x: across(span.from), y: y(span.role), width: Math.max(1, 930 * span.ms / total), height: 13};
    const said = `step ${span.step + 1}, ${span.role}, ${duration(span.ms)}${isThere(span.tokens) ? `, ${span.tokens} tokens` : ""}, ${span.use}`;
    const bar = el("rect", {...place, class: `lane-${span.role}`}, el("title", {}, said));
    return span.use === "kept" ? [bar] : [bar, el("rect", {...place, class: `waste ${span.use}`}, el("title", {}, said))];
  });
  const hatch = el("defs", {}, el("pattern", {id: "hatch", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)"},
    el("line", {x1: 0, y1: 0, x2: 0, y2: 5, class: "hatch"})));
  const told = laneTimes(spans).filter(({ms}) => ms).map(({lane, ms, lost}) => `${lane} ${duration(ms)}${lost ? `, ${duration(lost)} of it for nothing` : ""}`);
  return el("figure", {class: "timeline"},
    el("svg", {viewBox: "0 0 1000 72", role: "img", "aria-label": `timeline: ${told.join("; ")}`}, hatch,
      LANES.map(lane => el("text", {x: 0, y: y(lane) + 11}, lane)), bars, el("text", {x: 60, y: 70}, "0"), el("text", {x: 990, y: 70, "text-anchor": "end"}, duration(total))),
    el("figcaption", {class: "faint"}, `${told.join(". ")}. Hatched: rejected, or never used.`));
}
function histogram(answers, delta) {
  const known = answers.some(isJudged), bins = Array.from({length: 20}, () => [0, 0]);
  for (const answer of answers) for (const step of answer.steps) if (isThere(step.reward))
    bins[Math.max(0, Math.min(19, Math.floor(step.reward * 20)))][isWrong(answer) ? 1 : 0] += 1;
  const most = Math.max(1, ...bins.map(([right, wrong]) => right + wrong));
  return el("svg", {viewBox: "0 0 1000 170", role: "img", "aria-label": "histogram of rewards"},
    bins.map(([right, wrong], i) => {
      const tall = 130 * right / most, more = 130 * wrong / most, x = 10 + 49 * i;
      return [el("rect", {x, y: 140 - tall, width: 46, height: tall, class: known ? "b-right" : "b-all"}), el("rect", {x, y: 140 - tall - more, width: 46, height: more, class: "b-wrong"})];
    }),
    isThere(delta) ? el("line", {x1: 10 + 980 * delta, x2: 10 + 980 * delta, y1: 4, y2: 146, class: "b-line"}) : null, [0, 0.25, 0.5, 0.75, 1].map(at => el("text", {x: 10 + 980 * at, y: 160, "text-anchor": at === 0 ? "start" : at === 1 ? "end" : "middle"}, at)));
}
const spent = (answer, kind) => answer.flops && isThere(answer.flops[kind]) ? amount(answer.flops[kind]) : null;
function fullFlops(answer) {
  const least = spent(answer, "full_if_cached");
  return least ? `${least} to ${spent(answer, "full")}` : spent(answer, "full");
}
const noticeOf = answer => answer.notice ? el("p", {class: "note"}, answer.notice) : null;
function answerFacts(answer) {
  const ledger = answer.ledger || {}, written = role => ledger[role] ? ledger[role].completion_tokens : null;
  const verdict = isRight(answer) ? ["right", "✓", "good"] : isWrong(answer) ? ["wrong", "✗", "bad"] : null;
  return facts([verdict, ["answer:", answer.answer || "–"], ["expected:", answer.gold], ["steps", answer.steps.length], ["rejected", rejections(answer)],
    ["draft tokens", written("draft")], ["target tokens", written("target")], ["thinking tokens", thoughtTokens(answer) || null], ["PRM tokens read", ledger.prm ? ledger.prm.prompt_tokens : null],
    ["FLOPs decode-only", spent(answer, "decode_only")], ["FLOPs in full", fullFlops(answer)],
    ["cost", isThere(answer.cost) ? amount(answer.cost) : null], ["ended by:", answer.finish_reason]]);
}
const LEGEND = "D: the draft wrote it. T: the target wrote it. The tick is delta.";
function stepKeys(more = {}) {
  // j and k go from step to step, r to the next rejection, wherever steps are shown.
  const step = (by, test = () => true) => {
    const rows = [...document.querySelectorAll(".step")].filter(row => !row.closest("details:not([open])")), at = rows.indexOf(document.activeElement);
    for (let i = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by; i >= 0 && i < rows.length; i += by) if (test(rows[i])) return rows[i].focus();
  };
  const keys = {j: () => step(1), k: () => step(-1), r: () => step(1, row => row.dataset.rejected), ...more};
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
}
