// -- what follows from the traces: pure, and equal to what Python says of them ----------------

const rejections = answer => answer.steps.filter(step => !step.accepted).length;
const tokens = answer => answer.steps.reduce((sum, step) => sum + (step.tokens || 0), 0);
const thoughtTokens = answer => tokens({steps: answer.steps.filter(step => step.phase === "thinking")});
const deltaOf = answer => answer && isThere(answer.delta) ? answer.delta : null;
const isRight = answer => answer.right === true, isWrong = answer => answer.right === false;
const isJudged = answer => isRight(answer) || isWrong(answer);

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
// What calibration would estimate (rsd_graph.lab.calibration.sweep): a question none of whose drafts
// is below delta ends like the draft's answer, any other like the target's own. Of an answer with a
// rejected draft only the drafts up to that one are known.
function goesToTarget(answer, delta) {
  for (const step of answer.steps) {
    if (step.reward === null ? !step.accepted : step.reward < delta) return true;
    if (step.reward === null || !step.accepted) return null;
  }
  return false;
}
function estimate(answers, targets, delta) {
  const own = new Map(targets.map(answer => [answer.id, answer]));
  const judged = answers.filter(answer => isJudged(answer) && own.has(answer.id) && isJudged(own.get(answer.id)));
  let right = 0, unknown = 0;
  for (const answer of judged) {
    const goes = goesToTarget(answer, delta);
    if (goes === null) unknown += 1; else right += isRight(goes ? own.get(answer.id) : answer);
  }
  return {questions: judged.length, unknown, ...(judged.length && !unknown ? wilson(right, judged.length) : {})};
}
function wilson(right, count) {
  // A share with its 95 % interval, as rsd_graph.lab.statistics has it.
  const z = 1.959963984540054, value = right / count, wide = 1 + z * z / count;
  const centre = (value + z * z / (2 * count)) / wide, half = z / wide * Math.sqrt(value * (1 - value) / count + (z / (2 * count)) ** 2);
  return {value, low: Math.max(0, Math.min(value, centre - half)), high: Math.min(1, Math.max(value, centre + half))};
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

// -- time --------------------------------------------------------------------------------------

const LANES = ["draft", "prm", "target"];
const PAUSE = 60; // Seconds in which nobody worked: an answer that was laid aside and resumed.

function spansOf(answer) {
  // Every span of an answer in milliseconds since its beginning, pauses left out.
  const spans = answer.steps.flatMap((step, index) => (step.spans || []).map(span => ({...span, step: index})));
  spans.sort((a, b) => a.started - b.started);
  let end = spans.length ? spans[0].started : 0, skipped = end;
  return spans.map(span => {
    if (span.started - end > PAUSE) skipped += span.started - end;
    end = Math.max(end, span.started + span.ms / 1000);
    return {...span, from: 1000 * (span.started - skipped)};
  });
}
function laneTimes(spans) {
  return LANES.map(lane => {
    const mine = spans.filter(span => span.role === lane), sum = of => of.reduce((total, span) => total + span.ms, 0);
    return {lane, ms: sum(mine), lost: sum(mine.filter(span => span.use !== "kept"))};
  });
}
