// -- where the answers come from: the page itself, or the server that made it ------------------

const DATA = JSON.parse(document.getElementById("data").textContent);
const KEPT = 50;
let FILES = [], ONE, OTHER, arrived = () => {};
const bodies = new Map();

function byArm(file, number, files) {
  // An evaluation's journal holds several arms: each is shown, and compared, as a file of its own.
  const arms = new Map();
  file.answers.forEach((answer, place) => {
    if (!arms.has(answer.arm)) arms.set(answer.arm, []);
    const answers = arms.get(answer.arm);
    answers.push(Object.assign(answer, {path: `files/${number}/answers/${place}`, at: answers.length}));
  });
  const named = arm => arms.size === 1 ? file.name : files.length === 1 ? arm : `${arm} in ${file.name}`;
  return [...arms].map(([arm, answers]) => ({...file, number, arm, answers, name: named(arm)}));
}
function usual() {
  // RSD first, beside the same arm of the other file, or else beside the target alone.
  const at = test => FILES.findIndex(test), one = Math.max(0, at(({arm}) => /^rsd/i.test(arm)));
  const others = FILES.some(({number}) => number !== FILES[one].number);
  const other = others ? Math.max(at(({arm, number}) => number !== FILES[one].number && arm === FILES[one].arm), at(({number}) => number !== FILES[one].number))
    : at(({arm}, index) => arm === "target only" && index !== one);
  return {one, other: other < 0 ? null : other};
}
function token() {
  // It comes in the address's fragment, which is never sent, and does not stay there.
  const said = new URLSearchParams(location.hash.slice(1)), given = said.get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    said.delete("token");
    history.replaceState(null, "", "#" + said);
  }
  return sessionStorage.getItem("token") || "";
}
async function ask(path) {
  const response = await fetch(path, {headers: {Authorization: `Bearer ${token()}`}});
  if (response.status === 401) throw new Error("This page was opened without its key. Open the address that rsd-graph view has printed.");
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}
async function served(told) {
  // Rows of a few numbers first, page by page; the texts of an answer when it is shown.
  const files = await ask("files");
  for (const [number, file] of files.entries()) {
    file.answers = [];
    while (file.answers.length < file.size) {
      const rows = await ask(`files/${number}/rows/${file.answers.length}`);
      for (const row of rows) file.answers.push(row);
      told(`${file.name}: ${file.answers.length} of ${file.size} answers`);
    }
  }
  return files;
}
async function load(told) {
  FILES = (DATA.served ? await served(told) : DATA.files).flatMap(byArm);
}
function whole(answer) {
  // An answer with its texts, or null while they are on their way.
  if (!answer.thin) return answer;
  const {path} = answer;
  if (bodies.has(path)) return bodies.get(path);
  bodies.set(path, null);
  ask(path).then(body => {
    if (bodies.size > KEPT) bodies.delete(bodies.keys().next().value);
    bodies.set(path, body);
    arrived();
  }, error => { bodies.delete(path); tell(error.message); });
  return null;
}
function tell(message) {
  document.getElementById("main").replaceChildren(el("p", {class: "note", role: "alert"}, message));
}
