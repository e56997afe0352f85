// -- the four screens --------------------------------------------------------------------------

const LOADING = () => el("p", {class: "faint", role: "status"}, "Its texts are on their way.");

function answerScreen(state) {
  const row = ONE.answers[state.at], last = ONE.answers.length - 1;
  if (!row) return [el("p", {}, "No such answer.")];
  const answer = whole(row);
  return [
    el("div", {class: "row"}, el("button", {onclick: () => go({at: Math.max(0, state.at - 1)}), "aria-label": "previous answer", id: "previous"}, "‹"),
      `answer ${state.at + 1} of ${last + 1}: ${row.id}`, el("button", {onclick: () => go({at: Math.min(last, state.at + 1)}), "aria-label": "next answer", id: "next"}, "›")),
    ...(answer ? [
      answer.question ? el("pre", {class: "text", tabindex: "0", "aria-label": "question"}, answer.question) : null,
      answerFacts(answer), noticeOf(answer), answer.error ? el("p", {class: "bad"}, answer.error) : null, timeline(answer),
      el("p", {class: "faint"}, `${LEGEND} Keys: j and k next and previous step, r next rejection, n and p next and previous answer.`),
      stepList(answer, deltaOf(answer), mistakeAt(answer))] : [LOADING()]),
  ];
}
function mistakeAt({prm_mistakes: wrong}) {
  return index => !wrong ? {} : wrong.rejected_right.includes(index) ? {note: "the rejected draft was right"} : wrong.accepted_wrong.includes(index) ? {note: "this step is wrong, and was accepted"} : {};
}
const between = ({value, low, high}) => `${percent(value)} (${percent(low)} to ${percent(high)})`;
function estimated(delta) {
  // Of the whole file; always beside what it rests on, and never where it rests on a guess.
  const target = FILES.find(file => file.arm === "target only" && file.number === ONE.number) || (OTHER && OTHER.arm === "target only" ? OTHER : null);
  const said = (...parts) => el("p", {class: "faint", id: "estimate"}, ...parts);
  if (!target || target === ONE) return said("No estimate of the accuracy: it takes the target's own answers to the same questions, as an evaluation with the arm target has them.");
  const found = estimate(ONE.answers, target.answers, delta), judged = ONE.answers.filter(isJudged);
  if (!found.questions) return said("No estimate of the accuracy: no question was judged right or wrong in both arms.");
  if (found.unknown) return said(`No estimate of the accuracy at this delta: of ${found.unknown} of ${found.questions} questions nobody knows how the draft would have gone on, because it was rejected, or not scored, where it would pass now. It takes answers made with a lower delta.`);
  return said("Calibration's estimate of the accuracy, with its 95 % interval: ", el("b", {}, between(found)), ` of ${found.questions} questions. It counts the draft's answer where no draft is below delta, and the target's own everywhere else. `,
    `Measured, as these answers were made: ${between(wilson(judged.filter(isRight).length, judged.length))}.`);
}
function whatIfScreen(state) {
  const row = ONE.answers[state.at], answer = row ? whole(row) : null, delta = [state.delta, deltaOf(row), 0.7].find(isThere);
  const at = row ? firstFlip(row, delta) : null, all = whatIf(ONE.answers, delta);
  const marks = index => at === null || index < at ? {} : index > at ? {unknown: true}
    : {flips: true, note: answer.steps[at].accepted ? "would be rejected: the target would write here" : "would be accepted: the draft's words would stand"};
  return [
    el("label", {class: "row"}, "delta", el("input", {type: "range", min: 0, max: 1, step: 0.01, value: delta, id: "delta", "aria-valuetext": number(delta), oninput: event => go({delta: Number(event.target.value)})}), el("output", {id: "delta-value"}, number(delta))),
    el("p", {class: "note"}, "Exact up to the first verdict that another delta turns round. After it another model goes on, and what it would have written is not known: nothing here guesses it."),
    facts([["answers", all.answers], ["stay word for word", `${all.same} (${percent(all.same / all.answers)})`, "good"], ["turn to the target first", all.toTarget], ["turn to the draft first", all.toDraft]]),
    ONE.answers.length > 1 ? estimated(delta) : null,
    histogram(ONE.answers, delta),
    ONE.conditions.accept ? el("p", {class: "bad"}, `These answers were decided by ${ONE.conditions.accept}, not by a threshold alone.`) : null,
    row ? el("h2", {}, `answer ${state.at + 1}: ${at === null ? "stays as it is" : `exact until step ${at + 1}, then unknown`}`) : null,
    answer ? stepList(answer, delta, marks) : LOADING(),
  ];
}
const isSame = step => !step.accepted && step.rejected_text === step.text;
const wrongOf = kind => answer => Boolean(answer.prm_mistakes && answer.prm_mistakes[kind].length);
const CHECKED = {
  passed: ["the PRM let a wrong step pass (each step was checked)", wrongOf("accepted_wrong")],
  vain: ["the PRM rejected a right step (each step was checked)", wrongOf("rejected_right")],
};
const BY_OUTCOME = {
  passed: ["the PRM let it pass (by the outcome: wrong, and no step rejected)", answer => isWrong(answer) && answer.steps.length > 0 && rejections(answer) === 0],
  vain: ["the PRM rejected a right step (by the outcome: right, and the target said the same)", answer => isRight(answer) && answer.steps.some(isSame)],
};
const filters = () => ({
  all: ["all", () => true], wrong: ["wrong", isWrong], failed: ["failed", answer => Boolean(answer.error)],
  rejected: ["with rejections", answer => rejections(answer) > 0],
  ...(ONE.answers.some(answer => answer.prm_mistakes) ? CHECKED : BY_OUTCOME),
  same: ["a rejected draft said what the target said", answer => answer.steps.some(isSame)],
  cut: ["cut off", answer => !["stop", "tool_calls", null].includes(answer.finish_reason)],
});
const SORTS = {file: () => 0, rejected: (a, b) => rejections(b) - rejections(a), steps: (a, b) => b.steps.length - a.steps.length, tokens: (a, b) => tokens(b) - tokens(a)};
function chosen(state) {
  const found = state.find.toLowerCase(), [, keep] = filters()[state.filter] || filters().all;
  const rows = ONE.answers.filter(answer => keep(answer) && (!found || `${answer.id} ${answer.question} ${answer.answer}`.toLowerCase().includes(found)));
  return state.sort === "file" ? rows : rows.sort(SORTS[state.sort] || SORTS.file);
}
function rowsTable(rows) {
  // Only what is in sight is in the document: a hundred thousand rows scroll like ten.
  const HEIGHT = 30, box = el("div", {class: "table", tabindex: "0", role: "group", "aria-label": `${rows.length} answers`});
  const head = (name, sort) => sort ? el("button", {onclick: () => go({sort}), id: `sort-${sort}`}, name) : el("span", {}, name);
  const lines = el("div", {class: "lines", style: {height: rows.length * HEIGHT + "px"}});
  box.append(el("div", {class: "head"}, head("question", "file"), head("answer"), head("right"), head("steps", "steps"), head("rejected", "rejected"), head("tokens", "tokens"), head("ended by")), lines);
  const cells = answer => [answer.id, answer.answer, isRight(answer) ? "✓" : isWrong(answer) ? "✗" : "–", answer.steps.length, rejections(answer), tokens(answer), answer.error ? "error" : answer.finish_reason];
  const row = (answer, at) => el("button", {class: "line", "data-row": at, style: {top: at * HEIGHT + "px"}, onclick: () => go({tab: "answer", at: answer.at})}, cells(answer).map(cell => el("span", {}, cell)));
  const draw = () => {
    const from = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - 5), to = Math.min(rows.length, from + Math.ceil((box.clientHeight || 600) / HEIGHT) + 12);
    const focused = lines.contains(document.activeElement) ? document.activeElement.dataset.row : null;
    lines.replaceChildren(...rows.slice(from, to).map((answer, i) => row(answer, from + i)));
    if (focused !== null) (lines.querySelector(`[data-row="${focused}"]`) || box).focus({preventScroll: true});
  };
  box.addEventListener("scroll", draw);
  requestAnimationFrame(draw);
  return box;
}
function journalScreen(state) {
  const rows = chosen(state), judged = rows.filter(isJudged).length;
  return [
    facts([["answers shown", rows.length], ["right", judged ? `${rows.filter(isRight).length} of ${judged}` : null], ["rejected steps", rows.reduce((sum, answer) => sum + rejections(answer), 0)]]),
    el("h2", {}, "Rewards of all steps"), histogram(rows, deltaOf(ONE.answers[0])),
    el("p", {class: "faint"}, judged ? "Blue: steps of right answers. Orange: steps of wrong ones; not every step of a wrong answer is wrong. The line is delta." : "The line is delta."),
    el("div", {class: "row"}, el("label", {}, "show ", el("select", {id: "filter", onchange: event => go({filter: event.target.value})}, Object.entries(filters()).map(([key, [name]]) => el("option", {value: key, selected: key === state.filter}, name)))),
      el("label", {}, "find ", el("input", {id: "find", type: "search", value: state.find, onchange: event => go({find: event.target.value})}))),
    rowsTable(rows),
  ];
}
function discordant(found) {
  return found.pairs.filter(([a, b]) => (isRight(a) && isWrong(b)) || (isWrong(a) && isRight(b)));
}
function pairDetails(a, b) {
  const at = firstDifference(a, b), box = el("details", {}, el("summary", {}, `${a.id}: ${isRight(a) ? ONE.name : OTHER.name} is right; first different step ${at === null ? "–" : at + 1}`));
  const fill = () => {
    const shown = [a, b].map(whole);
    if (shown.includes(null)) { arrived = fill; return; }
    box.replaceChildren(box.firstChild, ...shown.map((answer, i) => el("section", {}, el("h2", {}, [ONE, OTHER][i].name), stepList(answer, deltaOf(answer), index => ({flips: index === at})))));
  };
  box.addEventListener("toggle", () => box.open && fill(), {once: true});
  return box;
}
function compareScreen() {
  const found = compare(ONE.answers, OTHER.answers), differ = discordant(found);
  const mean = of => [0, 1].map(which => found.pairs.reduce((sum, pair) => sum + of(pair[which]), 0) / (found.pairs.length || 1));
  const target = mean(answer => answer.ledger ? answer.ledger.target.completion_tokens : 0), cost = mean(answer => answer.cost || 0);
  const both = ([ours, theirs], shown) => `${shown(ours)} and ${shown(theirs)}`;
  return [
    facts([["questions in both", found.pairs.length], ["target tokens of an answer, on average", both(target, value => number(value, 1))],
      ["saved by the first", target[1] ? percent(1 - target[0] / target[1]) : null], ["cost of an answer", cost[0] + cost[1] ? both(cost, amount) : null]]),
    el("table", {class: "two"}, el("tr", {}, el("td", {}, ""), el("th", {scope: "col"}, `${OTHER.name} right`), el("th", {scope: "col"}, "wrong")),
      el("tr", {}, el("th", {scope: "row"}, `${ONE.name} right`), el("td", {id: "both"}, found.both), el("td", {id: "first"}, found.first)), el("tr", {}, el("th", {scope: "row"}, "wrong"), el("td", {id: "second"}, found.second), el("td", {id: "neither"}, found.neither))),
    el("p", {}, "McNemar's exact p ", el("b", {id: "p"}, found.p.toPrecision(3)), ". Only questions that one of them gets right and the other wrong count."),
    el("h2", {}, `${differ.length} questions they differ in`),
    differ.slice(0, 200).map(([a, b]) => pairDetails(a, b)),
    differ.length > 200 ? el("p", {class: "faint"}, "The first 200 are shown.") : null,
  ];
}
