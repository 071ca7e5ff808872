// The JSON Schema of the configuration as groups of fields, and what is typed into a field as a value.

// Those that most runs set; the others are folded away below.
export const ESSENTIAL = [
  "model.hidden", "model.activation", "optimizer.name", "optimizer.learning_rate", "train.epochs", "train.global_batch_size",
  "model.dropout", "train.seed",
];

const resolve = (schema, node) => node.$ref ? { ...schema.$defs[node.$ref.split("/").pop()], ...node } : node;

// `[{section, description, fields: [{key, name, description, kinds, choices, initial, isNullable}]}]`
export const groupsOf = (schema) => {
  const config = resolve(schema, schema), groups = [];
  for (const [section, node] of Object.entries(config.properties)) {
    const table = resolve(schema, node), group = { section, description: table.description || "", fields: [] };
    groups.push(group);
    addFields(schema, group, section, table, table.default || {});
  }
  return groups;
};

const addFields = (schema, group, before, table, initial) => {
  for (const [name, raw] of Object.entries(table.properties)) {
    const node = resolve(schema, raw), key = `${before}.${name}`;
    if (node.properties) { addFields(schema, group, key, node, node.default || {}); continue; }
    const kinds = node.anyOf || [node];
    group.fields.push({
      key, name, description: node.description || "", kinds, isNullable: kinds.some((kind) => kind.type === "null"),
      choices: kinds.flatMap((kind) => kind.enum || []), initial: node.default !== undefined ? node.default : initial[name],
      isRequired: (table.required || []).includes(name),
    });
  }
};

// How a field is shown: "choice" (nothing but an enumeration), "switch", or "text".
export const widgetOf = (field) => field.kinds.every((kind) => kind.enum) ? "choice"
  : field.kinds.length === 1 && field.kinds[0].type === "boolean" ? "switch" : "text";

export const textOf = (value) => value === undefined || value === null ? ""
  : Array.isArray(value) ? (value.length ? value.map(textOf).join(", ") : "[]") : String(value);

const has = (field, type) => field.kinds.some((kind) => kind.type === type);

// What was typed as a value; undefined where the field is empty, so that the default holds. What fits no kind goes as it
// is to the server, which says at the key what is allowed.
export const valueOf = (field, text) => {
  const typed = text.trim();
  if (!typed) return undefined;
  if (field.choices.includes(typed)) return typed;
  if (has(field, "boolean") && /^(true|false)$/.test(typed)) return typed === "true";
  if (has(field, "array") && (/^\[.*\]$/.test(typed) || typed.includes(",") || !has(field, "number"))) {
    const items = typed.replace(/^\[|\]$/g, "").split(",").map((item) => item.trim().replace(/^"(.*)"$/, "$1")).filter(Boolean);
    return items.map((item) => numberOf(item) ?? item);
  }
  if (has(field, "number") || has(field, "integer")) return numberOf(typed) ?? typed;
  return typed;
};

const numberOf = (text) => /^[+-]?(\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text.replaceAll("_", "")) : null;

export const isSame = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
