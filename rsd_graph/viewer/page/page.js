"use strict";
// All text of models and files goes in as text nodes: nothing in it can become markup or code.
const DATA = JSON.parse(document.getElementById("data").textContent);
const FILES = DATA.files, ONE = FILES[0], OTHER = FILES[1];
const SVG = "http://www.w3.org/2000/svg";

function el(tag, attributes, ...children) {
  const node = /^(svg|g|rect|line|text|path|defs|pattern)$/.test(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter(child => child !== null && child !== undefined && child !== false).map(child => child instanceof Node ? child : String(child)));
  return node;
}

// -- numbers ---------------------------------------------------------------------------------

const number = (value, digits = 2) => value === null || value === undefined ? "–" : Number(value).toFixed(digits);
const percent = value => Number.isFinite(value) ? (100 * value).toFixed(1) + " %" : "–";
function amount(value) {
  if (!Number.isFinite(value)) return "–";
  for (const [size, letter] of [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (Math.abs(value) >= size) return (value / size).toPrecision(3) + letter;
  return String(Math.round(value * 100) / 100);
}
const rejections = answer => answer.steps.filter(step => !step.accepted).length;
const tokens = answer => answer.steps.reduce((sum, step) => sum + (step.tokens || 0), 0);
const deltaOf = answer => answer && answer.delta !== undefined ? answer.delta : 0.7;
const isRight = answer => answer.right === true, isWrong = answer => answer.right === false;

// Until the first verdict that another delta turns round, everything stays as it was: the same
// prefix, the same drafts. After it another writer goes on, and nobody knows how.
function firstFlip(answer, delta) {
  const at = answer.steps.findIndex(step => step.reward !== null && (step.reward >= delta) !== step.accepted);
  return at < 0 ? null : at;
}
function whatIf(answers, delta) {
  let same = 0, toTarget = 0, toDraft = 0;
  for (const answer of answers) {
    const at = firstFlip(answer, delta);
    if (at === null) same += 1; else if (answer.steps[at].accepted) toTarget += 1; else toDraft += 1;
  }
  return {answers: answers.length, same, toTarget, toDraft};
}
function mcnemar(b, c) {
  // Exact, two-sided: twice the binomial tail, at most 1.
  const n = b + c, k = Math.min(b, c);
  let log = -n * Math.LN2, tail = 0;
  for (let i = 0; i <= k; i++) { tail += Math.exp(log); log += Math.log(n - i) - Math.log(i + 1); }
  return n ? Math.min(1, 2 * tail) : 1;
}
function compare(ours, theirs) {
  const known = new Map(theirs.map(answer => [answer.id, answer]));
  const pairs = ours.filter(answer => known.has(answer.id)).map(answer => [answer, known.get(answer.id)]);
  const count = test => pairs.filter(test).length;
  const table = {
    both: count(([a, b]) => isRight(a) && isRight(b)), first: count(([a, b]) => isRight(a) && isWrong(b)),
    second: count(([a, b]) => isWrong(a) && isRight(b)), neither: count(([a, b]) => isWrong(a) && isWrong(b)),
  };
  return {pairs, ...table, p: mcnemar(table.first, table.second)};
}
function firstDifference(a, b) {
  const most = Math.max(a.steps.length, b.steps.length);
  for (let i = 0; i < most; i++) if (!a.steps[i] || !b.steps[i] || a.steps[i].text !== b.steps[i].text) return i;
  return null;
}
function words(before, after) {
  // A word diff by longest common subsequence, for texts short enough to read.
  const a = before.split(/(\s+)/), b = after.split(/(\s+)/);
  if (a.length * b.length > 250000) return [["del", before], ["ins", after]];
  const table = Array.from({length: a.length + 1}, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--)
    table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
  const parts = [], add = (kind, text) => parts.length && parts[parts.length - 1][0] === kind ? parts[parts.length - 1][1] += text : parts.push([kind, text]);
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { add("span", a[i]); i++; j++; }
    else if (j >= b.length || (i < a.length && table[i + 1][j] >= table[i][j + 1])) add("del", a[i++]);
    else add("ins", b[j++]);
  }
  return parts;
}

// -- pieces ----------------------------------------------------------------------------------

function rewardBar(reward, delta) {
  if (reward === null) return el("div", {class: "faint"}, "not scored");
  const at = share => Math.max(0, Math.min(100, 100 * share)) + "%";
  return el("div", {}, `reward ${number(reward)}`, el("div", {class: "bar", role: "img", "aria-label": `reward ${number(reward)}, delta ${number(delta)}`},
    el("div", {class: "fill", style: {width: at(reward)}}), el("div", {class: "tick", style: {left: at(delta)}, title: `delta ${delta}`})));
}
function stepRow(step, index, delta, marks = {}) {
  const letter = step.source === "draft" ? "D" : "T";
  const rejected = step.rejected_text === null || step.rejected_text === undefined ? null : el("li", {},
    el("details", {class: "lost"}, el("summary", {}, `step ${index + 1}: rejected draft, reward ${number(step.reward)}`),
      el("div", {class: "said"}, words(step.rejected_text, step.text).map(([kind, text]) => el(kind, {}, text)))));
  const calls = (step.tool_calls || []).map(call => el("pre", {class: "text"}, `${call.function.name}(${call.function.arguments})`));
  return [rejected, el("li", {class: `step ${step.source}${marks.unknown ? " unknown" : ""}${marks.flips ? " flips" : ""}`, tabindex: "0", "data-step": index, "data-rejected": rejected ? "1" : null},
    el("span", {class: "who", title: step.source, "aria-label": `written by the ${step.source}`}, letter),
    el("div", {class: "said"}, step.text, calls, marks.note ? el("div", {class: "faint"}, marks.note) : null),
    el("div", {class: "side"}, rewardBar(step.reward, delta), `${step.tokens} tokens · ${Math.round(step.ms || 0)} ms`,
      step.ended === "separator" || step.ended === "eos" ? null : el("div", {class: "bad"}, `ended by ${step.ended}`)))];
}
function timeline(answer) {
  const total = answer.steps.reduce((sum, step) => sum + (step.ms || 0), 0);
  if (!total || !answer.steps.every(step => step.spent_ms)) return null;
  const lanes = ["draft", "prm", "target"], y = lane => 14 + 18 * lanes.indexOf(lane), bars = [];
  let x = 70;
  for (const step of answer.steps) {
    for (const lane of lanes) {
      const width = 920 * (step.spent_ms[lane] || 0) / total;
      if (width) bars.push(el("rect", {x, y: y(lane) - 10, width: Math.max(width, 1), height: 12, class: lane === "draft" && !step.accepted ? "waste" : `lane-${lane}`}));
      x += width;
    }
  }
  return el("svg", {viewBox: "0 0 1000 62", role: "img", "aria-label": `timeline of ${Math.round(total)} milliseconds`},
    el("defs", {}, el("pattern", {id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)"}, el("line", {x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch"}))),
    lanes.map(lane => el("text", {x: 0, y: y(lane)}, lane)), bars, el("text", {x: 930, y: 60}, `${Math.round(total)} ms`));
}
function histogram(answers, delta) {
  const known = answers.some(answer => answer.right === true || answer.right === false);
  const bins = Array.from({length: 20}, () => [0, 0]);
  for (const answer of answers) for (const step of answer.steps) if (step.reward !== null)
    bins[Math.max(0, Math.min(19, Math.floor(step.reward * 20)))][isWrong(answer) ? 1 : 0] += 1;
  const most = Math.max(1, ...bins.map(([right, wrong]) => right + wrong));
  return el("svg", {viewBox: "0 0 1000 170", role: "img", "aria-label": "histogram of rewards"},
    bins.map(([right, wrong], i) => {
      const tall = 130 * right / most, more = 130 * wrong / most;
      return [el("rect", {x: 10 + 49 * i, y: 140 - tall, width: 46, height: tall, class: known ? "b-right" : "b-all"}), el("rect", {x: 10 + 49 * i, y: 140 - tall - more, width: 46, height: more, class: "b-wrong"})];
    }),
    el("line", {x1: 10 + 980 * delta, x2: 10 + 980 * delta, y1: 4, y2: 146, class: "b-line"}), [0, 0.25, 0.5, 0.75, 1].map(at => el("text", {x: 4 + 980 * at, y: 160}, at)));
}
const facts = pairs => el("div", {class: "facts"}, pairs.filter(([, value]) => value !== null && value !== undefined).map(([name, value, kind]) => el("span", {class: kind || null}, el("b", {}, value), " " + name)));

// -- screens ---------------------------------------------------------------------------------

function answerScreen(state) {
  const answer = ONE.answers[state.at];
  if (!answer) return [el("p", {}, "No such answer.")];
  const ledger = answer.ledger || {}, written = role => ledger[role] ? ledger[role].completion_tokens : null;
  const verdict = isRight(answer) ? ["right", "✓", "good"] : isWrong(answer) ? ["wrong", "✗", "bad"] : null;
  return [
    el("div", {class: "row"}, el("button", {onclick: () => go({at: Math.max(0, state.at - 1)}), "aria-label": "previous answer"}, "‹"), `answer ${state.at + 1} of ${ONE.answers.length}: ${answer.id}`, el("button", {onclick: () => go({at: Math.min(ONE.answers.length - 1, state.at + 1)}), "aria-label": "next answer"}, "›")),
    answer.question ? el("pre", {class: "text"}, answer.question) : null,
    facts([verdict, ["answer", answer.answer || "–"], ["expected", answer.gold], ["steps", answer.steps.length], ["rejected", rejections(answer)], ["draft tokens", written("draft")], ["target tokens", written("target")],
      ["PRM tokens read", ledger.prm ? ledger.prm.prompt_tokens : null], ["FLOPs decode-only", answer.flops ? amount(answer.flops.decode_only) : null], ["FLOPs in full", answer.flops ? amount(answer.flops.full) : null], ["cost", answer.cost === undefined || answer.cost === null ? null : amount(answer.cost)], ["ended by", answer.finish_reason]]),
    answer.error ? el("p", {class: "bad"}, answer.error) : null,
    timeline(answer),
    el("p", {class: "faint"}, "D: the draft wrote it. T: the target wrote it. The tick is delta. Keys: j and k next and previous step, r next rejection, n and p next and previous answer."),
    el("ol", {class: "steps"}, answer.steps.map((step, index) => stepRow(step, index, deltaOf(answer)))),
  ];
}
function whatIfScreen(state) {
  const answer = ONE.answers[state.at], delta = state.delta === null ? deltaOf(answer) : state.delta;
  const at = answer ? firstFlip(answer, delta) : null, all = whatIf(ONE.answers, delta);
  const mark = index => at === null || index < at ? {} : index === at ? {flips: true, note: answer.steps[at].accepted ? "would be rejected: the target would write here" : "would be accepted: the draft's words would stand"} : {unknown: true};
  return [
    el("label", {class: "row"}, "delta", el("input", {type: "range", min: 0, max: 1, step: 0.01, value: delta, id: "delta", "aria-valuetext": number(delta), oninput: event => go({delta: Number(event.target.value)})}), el("output", {id: "delta-value"}, number(delta))),
    el("p", {class: "note"}, "Exact up to the first verdict that another delta turns round. After it another model goes on, and what it would have written is not known: nothing here guesses an accuracy."),
    facts([["answers", all.answers], ["stay word for word", `${all.same} (${percent(all.same / all.answers)})`, "good"], ["turn to the target first", all.toTarget], ["turn to the draft first", all.toDraft]]),
    histogram(ONE.answers, delta),
    ONE.conditions.accept ? el("p", {class: "bad"}, `These answers were decided by ${ONE.conditions.accept}, not by a threshold alone.`) : null,
    el("h2", {}, answer ? `answer ${state.at + 1}: ${at === null ? "stays as it is" : `exact until step ${at + 1}, then unknown`}` : ""),
    answer ? el("ol", {class: "steps"}, answer.steps.map((step, index) => stepRow(step, index, delta, mark(index)))) : null,
  ];
}
const FILTERS = {
  all: ["all", () => true], wrong: ["wrong", isWrong], failed: ["failed", answer => Boolean(answer.error)],
  rejected: ["with rejections", answer => rejections(answer) > 0],
  passed: ["wrong, and the PRM let every step pass", answer => isWrong(answer) && answer.steps.length > 0 && rejections(answer) === 0],
  vain: ["a rejected draft said what the target said", answer => answer.steps.some(step => !step.accepted && step.rejected_text === step.text)],
  cut: ["cut off", answer => !["stop", "tool_calls", null].includes(answer.finish_reason)],
};
const SORTS = {file: () => 0, rejected: (a, b) => rejections(b) - rejections(a), steps: (a, b) => b.steps.length - a.steps.length, tokens: (a, b) => tokens(b) - tokens(a)};
function chosen(state) {
  const found = state.find.toLowerCase(), [, keep] = FILTERS[state.filter] || FILTERS.all;
  const rows = ONE.answers.map((answer, index) => ({...answer, index})).filter(answer => keep(answer) && (!found || (answer.id + " " + answer.question + " " + answer.answer).toLowerCase().includes(found)));
  return rows.sort(SORTS[state.sort] || SORTS.file);
}
function rowsTable(rows) {
  // Only what is in sight is in the document: a hundred thousand rows scroll like ten.
  const HEIGHT = 30, box = el("div", {class: "table", tabindex: "0", "aria-label": `${rows.length} answers`});
  const head = (name, sort) => sort ? el("button", {onclick: () => go({sort})}, name) : el("span", {}, name);
  const lines = el("div", {class: "lines", style: {height: rows.length * HEIGHT + "px"}});
  box.append(el("div", {class: "head"}, head("question", "file"), head("answer"), head("right"), head("steps", "steps"), head("rejected", "rejected"), head("tokens", "tokens"), head("ended by")), lines);
  const draw = () => {
    const from = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - 5), to = Math.min(rows.length, from + Math.ceil((box.clientHeight || 600) / HEIGHT) + 12);
    lines.replaceChildren(...rows.slice(from, to).map((answer, i) => el("button", {class: "line", style: {top: (from + i) * HEIGHT + "px"}, onclick: () => go({tab: "answer", at: answer.index})},
      [answer.id, answer.answer, isRight(answer) ? "✓" : isWrong(answer) ? "✗" : "–", answer.steps.length, rejections(answer), tokens(answer), answer.error ? "error" : answer.finish_reason].map(cell => el("span", {}, cell)))));
  };
  box.addEventListener("scroll", draw);
  requestAnimationFrame(draw);
  return box;
}
function journalScreen(state) {
  const rows = chosen(state), right = rows.filter(isRight).length, judged = rows.filter(answer => isRight(answer) || isWrong(answer)).length;
  return [
    facts([["answers shown", rows.length], ["right", judged ? `${right} of ${judged}` : null], ["rejected steps", rows.reduce((sum, answer) => sum + rejections(answer), 0)]]),
    el("h2", {}, "Rewards of all steps"), histogram(rows, deltaOf(ONE.answers[0])),
    el("p", {class: "faint"}, judged ? "Blue: steps of right answers. Orange: steps of wrong ones; not every step of a wrong answer is wrong. The line is delta." : "The line is delta."),
    el("div", {class: "row"}, el("label", {}, "show ", el("select", {id: "filter", onchange: event => go({filter: event.target.value})}, Object.entries(FILTERS).map(([key, [name]]) => el("option", {value: key, selected: key === state.filter}, name)))),
      el("label", {}, "find ", el("input", {id: "find", type: "search", value: state.find, onchange: event => go({find: event.target.value})}))),
    rowsTable(rows),
  ];
}
function compareScreen() {
  const found = compare(ONE.answers, OTHER.answers), mean = (which, of) => found.pairs.reduce((sum, pair) => sum + of(pair[which]), 0) / (found.pairs.length || 1);
  const differ = found.pairs.filter(([a, b]) => (isRight(a) && isWrong(b)) || (isWrong(a) && isRight(b)));
  const target = answer => answer.ledger ? answer.ledger.target.completion_tokens : 0;
  return [
    facts([["questions in both", found.pairs.length], [`tokens of an answer's target in ${ONE.name}`, number(mean(0, target), 1)], [`in ${OTHER.name}`, number(mean(1, target), 1)]]),
    el("table", {class: "two"}, el("tr", {}, el("th", {}, ""), el("th", {}, `${OTHER.name} right`), el("th", {}, "wrong")),
      el("tr", {}, el("th", {}, `${ONE.name} right`), el("td", {id: "both"}, found.both), el("td", {id: "first"}, found.first)), el("tr", {}, el("th", {}, "wrong"), el("td", {id: "second"}, found.second), el("td", {id: "neither"}, found.neither))),
    el("p", {}, "McNemar's exact p ", el("b", {id: "p"}, found.p.toPrecision(3)), ". Only questions that one of them gets right and the other wrong count."),
    el("h2", {}, `${differ.length} questions they differ in`),
    differ.slice(0, 200).map(([a, b]) => el("details", {}, el("summary", {}, `${a.id}: ${isRight(a) ? ONE.name : OTHER.name} is right; first different step ${firstDifference(a, b) === null ? "–" : firstDifference(a, b) + 1}`),
      [[ONE, a], [OTHER, b]].map(([file, answer]) => el("section", {}, el("h2", {}, file.name), el("ol", {class: "steps"}, answer.steps.map((step, index) => stepRow(step, index, deltaOf(answer), {flips: index === firstDifference(a, b)}))))))),
    differ.length > 200 ? el("p", {class: "faint"}, "The first 200 are shown.") : null,
  ];
}

// -- going about -----------------------------------------------------------------------------

const SCREENS = {answer: ["Answer", answerScreen], "what-if": ["What if delta", whatIfScreen], journal: ["All answers", journalScreen], compare: ["Compare", compareScreen]};
const tabs = Object.keys(SCREENS).filter(tab => (tab !== "journal" || ONE.answers.length > 1) && (tab !== "compare" || OTHER));
let state = {tab: OTHER ? "compare" : ONE.answers.length > 1 ? "journal" : "answer", at: 0, delta: null, filter: "all", sort: "file", find: ""};
function fromAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const name of ["tab", "filter", "sort", "find"]) if (said.has(name)) state[name] = said.get(name);
  if (said.has("at")) state.at = Math.max(0, Math.min(ONE.answers.length - 1, Number(said.get("at")) || 0));
  if (said.has("delta")) state.delta = Number(said.get("delta"));
  if (!tabs.includes(state.tab)) state.tab = tabs[0];
}
function go(change) {
  const moved = "tab" in change && change.tab !== state.tab, focused = document.activeElement && document.activeElement.id;
  state = {...state, ...change};
  const said = new URLSearchParams(Object.entries(state).filter(([, value]) => value !== null && value !== ""));
  history.replaceState(null, "", "#" + said);
  draw();
  if (moved) document.getElementById("main").focus();
  else if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
}
function draw() {
  document.getElementById("top").replaceChildren(el("h1", {}, document.title),
    el("p", {class: "faint"}, FILES.map(file => file.name).join(" and "), ONE.conditions.target ? ` · ${ONE.conditions.draft} → ${ONE.conditions.target}, ${ONE.conditions.prm}` : ""),
    ...FILES.flatMap(file => file.remarks.map(remark => el("p", {class: "note"}, `${file.name}: ${remark}`))),
    el("nav", {"aria-label": "screens"}, tabs.map(tab => el("button", {onclick: () => go({tab}), "aria-current": tab === state.tab ? "page" : null}, SCREENS[tab][0]))));
  document.getElementById("main").replaceChildren(...SCREENS[state.tab][1](state).flat(9).filter(Boolean));
}
function step(by, test = () => true) {
  const rows = [...document.querySelectorAll(".step")], at = rows.indexOf(document.activeElement);
  for (let i = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by; i >= 0 && i < rows.length; i += by) if (test(rows[i])) return rows[i].focus();
}
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const keys = {j: () => step(1), k: () => step(-1), r: () => step(1, row => row.dataset.rejected), n: () => go({at: Math.min(ONE.answers.length - 1, state.at + 1)}), p: () => go({at: Math.max(0, state.at - 1)})};
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});
addEventListener("hashchange", () => { fromAddress(); draw(); });
fromAddress();
draw();
