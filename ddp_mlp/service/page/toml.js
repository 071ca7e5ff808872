// As much of TOML as configurations use: read to show values in the form, written when a form becomes text.
// The server reads the text itself; where this reader gives up, the form shows the defaults and says so.

export class NotRead extends Error {}

const BARE = /^[A-Za-z0-9_-]+$/;

export const parse = (text) => {
  const root = {}, source = { text: text.replaceAll("\r\n", "\n"), at: 0 };
  let table = root;
  for (skip(source); source.at < source.text.length; skip(source)) {
    if (source.text[source.at] === "[") {
      const end = source.text.indexOf("]", source.at);
      if (end < 0 || source.text[source.at + 1] === "[") throw new NotRead("an array of tables");
      table = inside(root, keys(source.text.slice(source.at + 1, end)));
      source.at = end + 1;
    } else {
      const equals = source.text.indexOf("=", source.at), line = source.text.indexOf("\n", source.at);
      if (equals < 0 || (line >= 0 && line < equals)) throw new NotRead("a line without =");
      const path = keys(source.text.slice(source.at, equals)), last = path.pop();
      source.at = equals + 1;
      inside(table, path)[last] = value(source);
    }
    restOfLine(source);
  }
  return root;
};

const keys = (text) => text.split(".").map((part) => {
  const key = part.trim().replace(/^(["'])(.*)\1$/, "$2");
  if (!BARE.test(key) || ["__proto__", "constructor", "prototype"].includes(key)) throw new NotRead("a key");
  return key;
});

const inside = (table, path) => path.reduce((at, key) => {
  if (at[key] === undefined) at[key] = {};
  if (typeof at[key] !== "object" || Array.isArray(at[key])) throw new NotRead("a key that is a table and a value");
  return at[key];
}, table);

// Space, line ends and comments.
const skip = (source) => { source.at += /^(?:\s|#[^\n]*)*/.exec(source.text.slice(source.at))[0].length; };

const restOfLine = (source) => {
  const rest = /^[ \t]*(#[^\n]*)?(\n|$)/.exec(source.text.slice(source.at));
  if (!rest) throw new NotRead("more after a value");
  source.at += rest[0].length;
};

const value = (source) => {
  source.at += /^[ \t]*/.exec(source.text.slice(source.at))[0].length;
  const rest = source.text.slice(source.at), first = rest[0];
  if (rest.startsWith('"""') || rest.startsWith("'''")) throw new NotRead("text over lines");
  if (first === '"' || first === "'") return quoted(source, rest, first);
  if (first === "[") return array(source);
  if (first === "{") return inlineTable(source);
  const word = /^[^\s,\]}#]+/.exec(rest);
  if (!word) throw new NotRead("no value");
  source.at += word[0].length;
  if (word[0] === "true" || word[0] === "false") return word[0] === "true";
  const number = Number(word[0].replace(/(?<=\d)_(?=\d)/g, "").replace(/^([+-]?)inf$/, "$1Infinity"));
  if (Number.isNaN(number)) throw new NotRead("a value");
  return number;
};

const quoted = (source, rest, quote) => {
  const found = (quote === '"' ? /^"(?:[^"\\\n]|\\.)*"/ : /^'[^'\n]*'/).exec(rest);
  if (!found) throw new NotRead("text without an end");
  source.at += found[0].length;
  if (quote === "'") return found[0].slice(1, -1);
  try { return JSON.parse(found[0]); } catch { throw new NotRead("an escape"); }
};

const array = (source) => {
  const items = [];
  source.at += 1;
  for (skip(source); source.text[source.at] !== "]"; skip(source)) {
    items.push(value(source));
    skip(source);
    if (source.text[source.at] === ",") source.at += 1;
    else if (source.text[source.at] !== "]") throw new NotRead("an array without an end");
  }
  source.at += 1;
  return items;
};

const inlineTable = (source) => {
  const table = {};
  source.at += 1;
  for (skip(source); source.text[source.at] !== "}"; skip(source)) {
    const equals = source.text.indexOf("=", source.at);
    if (equals < 0) throw new NotRead("a table without an end");
    const path = keys(source.text.slice(source.at, equals)), last = path.pop();
    source.at = equals + 1;
    inside(table, path)[last] = value(source);
    skip(source);
    if (source.text[source.at] === ",") source.at += 1;
    else if (source.text[source.at] !== "}") throw new NotRead("a table without an end");
  }
  source.at += 1;
  return table;
};

export const written = (one) => Array.isArray(one) ? `[${one.map(written).join(", ")}]`
  : typeof one === "string" ? JSON.stringify(one).replaceAll("\u007f", "\\u007f")
  : typeof one === "number" && !Number.isFinite(one) ? String(one).replace("Infinity", "inf").replace("NaN", "nan")
  : String(one);

// Flat keys ("optimizer.learning_rate") to text, a table for each section.
export const render = (flat) => {
  const sections = new Map();
  for (const [key, one] of Object.entries(flat)) {
    const at = key.lastIndexOf("."), section = key.slice(0, Math.max(0, at));
    if (!sections.has(section)) sections.set(section, []);
    sections.get(section).push(`${key.slice(at + 1)} = ${written(one)}`);
  }
  return [...sections].map(([section, lines]) => [...(section ? [`[${section}]`] : []), ...lines, ""].join("\n")).join("\n");
};

export const flat = (table, before = "") => Object.entries(table).reduce((all, [key, one]) => Object.assign(all,
  one !== null && typeof one === "object" && !Array.isArray(one) ? flat(one, `${before}${key}.`) : { [before + key]: one }), {});

// The line, from 1, on which a key stands; else that of its table; else null.
export const lineOf = (text, key) => {
  const parts = key.split("."), name = parts.pop(), section = parts.join(".");
  let now = "", ofSection = null, found = null;
  text.split("\n").forEach((line, i) => {
    const head = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line), one = /^\s*([A-Za-z0-9_."'-]+)\s*=/.exec(line);
    if (head) { now = head[1]; if (now === section || now === key) ofSection ??= i + 1; }
    else if (one && [now, one[1]].filter(Boolean).join(".") === key) found ??= i + 1;
    else if (one && !section && one[1] === name && !now) found ??= i + 1;
  });
  return found ?? ofSection;
};
