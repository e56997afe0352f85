// -- an answer as it comes: OpenAI's server-sent events, with ours among them ------------------

async function* serverEvents(response) {
  // Each event's JSON; `true` for a sign of life that says nothing; ends at [DONE], or throws.
  const reader = response.body.getReader(), decoder = new TextDecoder();
  for (let text = "";;) {
    const {done, value} = await reader.read().catch(() => ({done: true}));
    if (done) throw new Error("The connection was lost; what has come so far stands.");
    text += decoder.decode(value, {stream: true});
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      if (!event.startsWith("data: ")) { yield true; continue; }
      if (event === "data: [DONE]") return;
      yield JSON.parse(event.slice(6));
    }
  }
}
class Answer {
  // Settled steps, drafts under decision by their index, and what the end says of it all.
  constructor(delta) {
    Object.assign(this, {steps: [], drafts: new Map(), text: "", delta, error: "", isDone: false, isTraced: false, hasEvents: false});
  }
  get answer() { return this.text.split("\n\n").pop().trim(); }
  get waiting() {
    const drafts = [...this.drafts.values()], at = this.steps.length + 1;
    if (drafts.some(draft => draft.verdict === "rejected")) return `The target is writing step ${at} in place of the rejected draft.`;
    return drafts.length ? `The PRM is reading step ${at}.` : `The draft is writing step ${at}.`;
  }
  take(chunk) {
    if (chunk.error) { this.error = chunk.error.message; return; }
    if (chunk.rsd && chunk.rsd.event) this.hear(chunk.rsd.event);
    for (const choice of chunk.choices || []) this.add(choice, chunk.rsd);
  }
  add(choice, rsd) {
    const {content: said, reasoning: thought} = choice.delta;
    this.text += said || "";
    if (thought && !this.hasEvents) this.steps.push({text: thought.trim(), source: "unknown", phase: "thinking"});
    if (said && !this.hasEvents) this.steps.push({text: said.trim(), source: "unknown"});
    if (choice.finish_reason && rsd && rsd.steps) this.end(rsd);
  }
  end({steps, ledger, finish_reason, flops, cost, notice}) {
    Object.assign(this, {steps, ledger, finish_reason, flops, cost, notice, isTraced: true, drafts: new Map()});
  }
  hear({type, index, ...event}) {
    this.hasEvents = true;
    const draft = this.drafts.get(index) || {index, text: ""};
    if (type === "step_drafted") this.drafts.set(index, {index, text: event.text, tokens: event.tokens});
    if (type === "step_scored") this.drafts.set(index, {...draft, reward: event.reward});
    if (type === "step_accepted") this.drafts.set(index, {...draft, verdict: "accepted"});
    if (type === "step_rejected") {
      this.drafts.set(index, {...draft, text: event.text, reward: event.reward, verdict: "rejected"});
      for (const later of this.drafts.keys()) if (later > index) this.drafts.delete(later);
    }
    if (type === "step_settled") { this.steps[index] = event.step; this.drafts.delete(index); }
  }
}
