// -- going about -------------------------------------------------------------------------------

const SCREENS = {answer: ["Answer", answerScreen], "what-if": ["What if delta", whatIfScreen], journal: ["All answers", journalScreen], compare: ["Compare", compareScreen]};
let tabs = [], state = {tab: "", one: 0, other: null, at: 0, delta: null, filter: "all", sort: "file", find: ""};

function fromAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const name of ["tab", "filter", "sort", "find"]) if (said.has(name)) state[name] = said.get(name);
  for (const name of ["one", "other"]) if (FILES[said.get(name)]) state[name] = Number(said.get(name));
  choose();
  if (said.has("at")) state.at = Math.max(0, Math.min(ONE.answers.length - 1, Number(said.get("at")) || 0));
  if (said.has("delta")) state.delta = Number(said.get("delta"));
}
function choose() {
  [ONE, OTHER] = [FILES[state.one], FILES[state.other]];
  tabs = Object.keys(SCREENS).filter(tab => (tab !== "journal" || ONE.answers.length > 1) && (tab !== "compare" || OTHER));
  state.at = Math.min(state.at, ONE.answers.length - 1);
  if (!tabs.includes(state.tab)) state.tab = OTHER ? "compare" : ONE.answers.length > 1 ? "journal" : "answer";
}
function chooser(name, title, none) {
  const options = FILES.map((file, index) => el("option", {value: index, selected: index === state[name]}, file.name));
  return el("label", {}, `${title} `, el("select", {id: name, onchange: event => go({[name]: event.target.value === "" ? null : Number(event.target.value)})},
    none ? el("option", {value: "", selected: state[name] === null}, none) : null, options));
}
function go(change) {
  const moved = "tab" in change && change.tab !== state.tab, focused = document.activeElement && document.activeElement.id;
  state = {...state, ...change};
  choose();
  history.replaceState(null, "", "#" + new URLSearchParams(Object.entries(state).filter(([, value]) => isThere(value) && value !== "")));
  draw();
  if (moved) document.getElementById("main").focus({preventScroll: true});
  else if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
}
function draw() {
  document.getElementById("top").replaceChildren(...[el("h1", {}, document.title),
    FILES.length > 1 ? el("div", {class: "row"}, chooser("one", "show"), chooser("other", "beside", "nothing")) : null,
    el("p", {class: "faint"}, [FILES.length > 1 ? null : ONE.name, ONE.conditions.target && `${ONE.conditions.draft} → ${ONE.conditions.target}, ${ONE.conditions.prm}`].filter(Boolean).join(" · ")),
    ...[ONE, OTHER].filter(isThere).flatMap(file => file.remarks.map(remark => el("p", {class: "note"}, `${file.name}: ${remark}`))),
    el("nav", {"aria-label": "screens"}, tabs.map(tab => el("button", {onclick: () => go({tab}), "aria-current": tab === state.tab ? "page" : null}, SCREENS[tab][0])))].filter(isThere));
  arrived = draw;
  document.getElementById("main").replaceChildren(...SCREENS[state.tab][1](state).flat(9).filter(isThere));
}
function start() {
  Object.assign(state, usual());
  fromAddress();
  draw();
  stepKeys({n: () => go({at: Math.min(ONE.answers.length - 1, state.at + 1)}), p: () => go({at: Math.max(0, state.at - 1)})});
  addEventListener("hashchange", () => { fromAddress(); draw(); });
}
load(tell).then(start).catch(error => tell(error.message));
