"use strict";
// All text of models and files goes in as text nodes: nothing in it can become markup or code.
const SVG = "http://www.w3.org/2000/svg";
const DRAWN = /^(svg|g|rect|line|text|title|path|defs|pattern)$/;

const isThere = value => value !== null && value !== undefined && value !== false;

function el(tag, attributes, ...children) {
  const node = DRAWN.test(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (!isThere(value)) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter(isThere).map(child => child instanceof Node ? child : String(child)));
  return node;
}

const number = (value, digits = 2) => isThere(value) ? Number(value).toFixed(digits) : "–";
const percent = value => Number.isFinite(value) ? (100 * value).toFixed(1) + " %" : "–";
function amount(value) {
  if (!Number.isFinite(value)) return "–";
  for (const [size, letter] of [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (Math.abs(value) >= size) return (value / size).toPrecision(3) + letter;
  return String(Number(value.toPrecision(3)));
}
const duration = ms => ms >= 1000 ? (ms / 1000).toFixed(1) + " s" : Math.round(ms) + " ms";
const facts = pairs => el("div", {class: "facts"}, pairs.filter(pair => pair && isThere(pair[1]))
  .map(([name, value, kind]) => el("span", {class: kind || null}, name.endsWith(":") ? [name + " ", el("b", {}, value)] : [el("b", {}, value), " " + name])));
