// Requests to the server: always the same origin, with the words of the server where it refuses.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    Object.assign(this, { name: "Refused", status, detail: this.message, errors: problem.errors || [] });
  }
}
export class Gone extends Error {}

let csrf = "";
export const base = "api/v1/";

export const ask = async (path, { method = "GET", json, form, accept = "application/json", headers = {}, signal } = {}) => {
  const options = { method, signal, credentials: "same-origin", headers: { Accept: accept, ...headers } };
  if (method !== "GET") options.headers["X-CSRF-Token"] = csrf;
  if (json !== undefined) { options.body = JSON.stringify(json); options.headers["Content-Type"] = "application/json"; }
  if (form) options.body = form;
  let answer;
  try { answer = await fetch(base + path, options); } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Gone("The server does not answer; the page goes on by itself once it does.");
  }
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
  return answer;
};

export const get = async (path, options) => (await ask(path, options)).json();
export const post = async (path, json = {}, headers = {}) => (await ask(path, { method: "POST", json, headers })).json();
export const remove = (path) => ask(path, { method: "DELETE" });

export const openSession = async () => {
  const session = await get("session");
  csrf = session.csrf || "";
  return session;
};

// The same key for each try of one wish, so that a second click makes no second run.
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
