// -- the transcripts of an evaluation: every question with the answers of a few arms -----------

const {transcripts} = JSON.parse(document.getElementById("data").textContent);
const list = el("div", {id: "questions"}), search = el("input", {id: "search", type: "search", oninput: () => listAll()});
const disputed = el("input", {id: "disputed", type: "checkbox", onchange: () => listAll()});

const isDisputed = ({answers}) => new Set(answers.map(isRight)).size > 1;
const contains = ({id, text, answers}, found) => [id, text, ...answers.flatMap(({steps}) => steps.map(step => step.text))].join(" ").toLowerCase().includes(found);
function mark(answer) {
  const shown = isThere(answer.score) ? number(answer.score) : isRight(answer) ? "✓" : "✗";
  return el("span", {class: isThere(answer.score) ? "faint" : isRight(answer) ? "good" : "bad", title: answer.arm, "aria-label": `${answer.arm}: ${shown}`}, shown + " ");
}
function transcript({id, level, text, gold, answers}) {
  const box = el("details", {class: "question"}, el("summary", {}, id, isThere(level) ? el("span", {class: "faint"}, ` level ${level}`) : null, " ", answers.map(mark)));
  box.addEventListener("toggle", () => box.open && box.append(
    el("pre", {class: "text"}, text, isThere(gold) ? `\n\nexpected: ${gold}` : ""),
    el("div", {class: "arms"}, answers.map(answer => el("section", {}, el("h3", {}, answer.arm), el("p", {class: answer.error ? "bad" : "faint"}, answer.error || `ended by ${answer.finish_reason}`), timeline(answer), stepList(answer, deltaOf(answer)))))), {once: true});
  return box;
}
function listAll() {
  const found = search.value.toLowerCase();
  const shown = transcripts.filter(each => (!disputed.checked || isDisputed(each)) && (!found || contains(each, found)));
  list.replaceChildren(...shown.map(transcript));
}
document.getElementById("main").append(el("h2", {}, "Transcripts"), el("div", {class: "row"}, el("label", {}, "find ", search), el("label", {}, disputed, " only where arms disagree")), el("p", {class: "faint"}, LEGEND), list);
stepKeys();
listAll();
