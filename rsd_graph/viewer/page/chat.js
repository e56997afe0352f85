// -- a chat box for the server this page came from ---------------------------------------------

const SILENT = 10, DEAD = 45; // Seconds without a word; the server gives a sign of life every 15.
const field = (name, node, hint) => el("label", {title: hint}, name + " ", node);
const turns = [];
let asking = null;

const model = el("select", {id: "model"}), delta = el("input", {id: "threshold", type: "number", min: 0, max: 1, step: 0.05, placeholder: "as served"});
const key = el("input", {id: "key", type: "password", autocomplete: "off"});
const keyForm = el("form", {onsubmit: event => { event.preventDefault(); listModels(); }, onchange: () => listModels()},
  el("input", {type: "text", autocomplete: "username", hidden: true}), field("key", key, "if this server wants one"));
const question = el("textarea", {id: "question", rows: 3, "aria-label": "question", placeholder: "Ask; Enter sends, Shift and Enter make a new line.",
  onkeydown: event => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); send(); } }});
const ask = el("button", {id: "ask", onclick: () => send()}, "Ask"), stop = el("button", {id: "stop", disabled: true, onclick: () => asking.abort()}, "Stop");
const anew = el("button", {id: "anew", onclick: () => { turns.length = 0; talk.replaceChildren(); question.focus(); }}, "New conversation");
const talk = el("div", {id: "talk"}), notice = el("p", {id: "notice", class: "note", role: "alert", hidden: true});

function tell(message) {
  notice.hidden = !message;
  notice.textContent = message;
}
async function call(path, body, signal) {
  const headers = {"Content-Type": "application/json", ...(key.value ? {Authorization: `Bearer ${key.value}`} : {})};
  const response = await fetch(path, {method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal})
    .catch(() => { throw new Error("The server cannot be reached."); });
  if (response.status === 401) throw new Error("This server wants a key: type it into the field above. It is kept nowhere else.");
  if (!response.ok) throw new Error((await response.json()).error.message);
  return response;
}
async function listModels() {
  try {
    const {data} = await (await call("v1/models")).json();
    model.replaceChildren(...data.map(({id}) => el("option", {value: id}, id)));
    tell("");
  } catch (error) { tell(error.message); }
}
function following(change) {
  // Whoever looks at the end of the page goes on seeing it; whoever reads further up is left alone.
  const page = document.documentElement, follows = innerHeight + scrollY >= page.scrollHeight - 40;
  change();
  if (follows) scrollTo(0, page.scrollHeight);
}
function conversation() {
  return turns.flatMap(turn => [{role: "user", content: turn.question}, ...(turn.answer.text ? [{role: "assistant", content: turn.answer.text}] : [])]);
}
async function send() {
  const text = question.value.trim();
  if (!text || asking) return;
  question.value = "";
  asking = new AbortController();
  Object.assign(ask, {disabled: true});
  Object.assign(stop, {disabled: false});
  const turn = new Turn(text, delta.value === "" ? null : Number(delta.value));
  turns.push(turn);
  following(() => talk.append(turn.node));
  await turn.run(asking.signal);
  asking = null;
  Object.assign(ask, {disabled: false});
  Object.assign(stop, {disabled: true});
}
class Turn {
  // A question and its answer. What is settled stays in the document; only what is undecided is drawn anew.
  constructor(text, threshold) {
    this.question = text;
    this.answer = new Answer(threshold);
    this.shown = 0; // Settled steps that stand in the document.
    this.settled = el("ol", {class: "steps", "aria-live": "polite", "aria-label": "steps"});
    this.thoughts = el("ol", {class: "steps", "aria-label": "thoughts"});
    this.thinking = el("details", {class: "thinking", open: true, hidden: true}, el("summary", {}, "Thinking"), this.thoughts);
    this.undecided = el("ol", {class: "steps undecided"});
    this.state = el("p", {class: "faint state"});
    this.end = el("div", {});
    this.node = el("section", {class: "turn"}, el("pre", {class: "text"}, text), this.thinking, this.settled, this.undecided, this.state, this.end);
  }
  async run(signal) {
    this.since = this.heard = Date.now();
    const clock = setInterval(() => this.tick(), 1000);
    const asked = {model: model.value, messages: conversation(), stream: true, rsd: {include: ["events", "trace", "ledger"], ...(isThere(this.answer.delta) ? {delta: this.answer.delta} : {})}};
    try {
      this.tick();
      for await (const chunk of serverEvents(await call("v1/chat/completions", asked, signal))) this.take(chunk);
    } catch (error) {
      this.answer.error = signal.aborted ? "Stopped; what has come so far stands." : error.message;
    } finally {
      clearInterval(clock);
      following(() => this.finish());
    }
  }
  take(chunk) {
    this.heard = Date.now();
    if (chunk === true) return;
    this.since = Date.now();
    this.answer.take(chunk);
    following(() => this.draw());
  }
  draw() {
    const {steps, drafts, delta: threshold} = this.answer;
    for (; this.shown < steps.length; this.shown++) this.show(steps[this.shown], this.shown);
    this.undecided.replaceChildren(...[...drafts.values()].sort((a, b) => a.index - b.index).map(draft => el("li", {class: `step pending ${draft.verdict || ""}`},
      el("span", {class: "who", "aria-label": "drafted"}, "…"), el("div", {class: "said"}, draft.text), el("div", {class: "side"}, "reward" in draft ? rewardBar(draft.reward, threshold) : null, draft.verdict || "undecided"))));
  }
  show(step, at) {
    // What is thought is folded as soon as the answer begins; whoever opens it again may read on.
    const isThought = step.phase === "thinking";
    if (isThought) this.thinking.hidden = false;
    else if (!this.isFolded) { this.isFolded = true; this.thinking.open = false; }
    (isThought ? this.thoughts : this.settled).append(...this.row(step, at).flat().filter(isThere));
  }
  row(step, at) {
    if (step.source !== "unknown") return stepRow(step, at, this.answer.delta);
    return [el("li", {class: "step pending", tabindex: "0"}, el("span", {class: "who"}, "·"), el("div", {class: "said"}, step.text), el("div", {class: "side"}, "settled"))];
  }
  tick() {
    const seconds = Math.round((Date.now() - this.since) / 1000), silent = Math.round((Date.now() - this.heard) / 1000);
    const worry = silent >= DEAD ? " Not even a sign of life: the connection may be gone." : silent >= SILENT ? " The connection is open." : "";
    this.state.textContent = `${this.answer.waiting} ${seconds} s.${worry}`;
  }
  finish() {
    const {answer} = this;
    this.state.textContent = "";
    if (answer.isTraced) { this.shown = 0; this.thoughts.replaceChildren(); this.settled.replaceChildren(); this.draw(); }
    this.end.replaceChildren(...[answer.isTraced ? answerFacts(answer) : null, noticeOf(answer), answer.isTraced ? timeline(answer) : null, answer.error ? el("p", {class: "bad", role: "alert"}, answer.error) : null].filter(isThere));
  }
}
document.getElementById("top").append(el("h1", {}, "RSD"), el("p", {class: "faint"}, `${LEGEND} Grey: not decided yet. Keys: j and k next and previous step, r next rejection.`));
document.getElementById("main").append(talk, notice, question,
  el("div", {class: "row"}, ask, stop, anew, field("model", model), field("delta", delta, "another threshold for this answer"), keyForm));
stepKeys();
listModels();
question.focus();
