"""What the page works out without a document, asked of its modules in a real browser."""

from __future__ import annotations

from tests.report.browser import chromium, needs_chromium
from tests.service.fake_server import fake_service

_BEST = """[{id: 1, name: "b", best: null}, {id: 2, name: "a", best: {metric: "valid_loss", value: 3}},
  {id: 3, name: "c", best: {metric: "valid_loss", value: 1}}]"""
_SPLIT = '{columns: ["epoch", "x"], rows: [[1, 3], [2, 2], [2, 1], [3, 0]]}'
_READ = """((text) => { try { toml.parse(text); return "read"; } catch (error) { return error.name; } })"""
_LEARNT = "{choices: ['auto'], kinds: [{type: 'number'}]}"
CASES = {
    "[0, 7, 1234, 12345, 1234567, 1e-5, 0.123456, -3].map(logic.shown)":
        ["0", "7", "1234", "12 345", "1 234 567", "1.00e-5", "0.1235", "-3"],
    "[1234567.5, 1e12, 0.5e-300].map(logic.shown)": ["1.23e+6", "1.00e+12", "5.00e-301"],
    "[null, undefined, ''].map(logic.shown).every((text) => text === '\u2013')": True,
    "[0.5, 59.6, 61, 599, 599.9, 3600, 3599.9, 90000].map(logic.duration)":
        ["0.5 s", "1 min", "1 min 1 s", "9 min 59 s", "10 min", "1 h 0 min", "1 h 0 min", "1 d 1 h"],
    "[10, 999, 1500, 2.5e9].map(logic.bytes)": ["10 B", "999 B", "1.5 kB", "2.5 GB"],
    f"logic.sorted({_BEST}, 'best').map((job) => job.id)": [3, 2, 1],
    f"logic.sorted({_BEST}, '-best').map((job) => job.id)": [2, 3, 1],
    f"logic.sorted({_BEST}, 'name').map((job) => job.id)": [2, 1, 3],
    f"logic.sorted({_BEST}, 'no such key').map((job) => job.id)": [3, 2, 1],
    f"logic.settled({_SPLIT})": {"columns": ["epoch", "x"], "rows": [[1, 3], [2, 1], [3, 0]], "restarts": [2]},
    "logic.mergeRow({columns: ['epoch', 'x'], rows: [[1, 3], [2, 2]]}, {x: null, epoch: 2})":
        {"columns": ["epoch", "x"], "rows": [[1, 3], [2, None]], "restarts": [2]},
    "logic.mergeRow({columns: [], rows: []}, {epoch: 1, x: 5})": {"columns": ["epoch", "x"], "rows": [[1, 5]]},
    "logic.settled({columns: ['epoch'], rows: Array.from({length: 50001}, (_, i) => [i])}).rows.length": 12501,
    "logic.settled({columns: ['epoch'], rows: Array.from({length: 50001}, (_, i) => [i])}).rows.at(-1)": [50000],
    "logic.bestEpoch({columns: ['epoch', 'train_loss', 'valid_loss'], rows: [[1, 1, null], [2, 0, null]]})": 2,
    "logic.bestEpoch({columns: ['epoch', 'train_loss'], rows: []})": None,
    "logic.smoothed([1, 2, 4], [1, null, 0], 0.5)": [1, None, 0.125],
    "logic.sparkPath([1, null, 1], 10, 10)": "M1.5 1.5L8.5 1.5",
    "toml.flat(toml.parse('a = 1_000 # x\\n[b.c]\\nd = [1,\\n 2.5, \"#\",]\\ne = {f = true}\\ng = \\'\\\\n\\''))":
        {"a": 1000, "b.c.d": [1, 2.5, "#"], "b.c.e.f": True, "b.c.g": "\\n"},
    "toml.render({'data.train': 'a\"b.h5', 'model.hidden': [64, 32], 'model.tied': false})":
        '[data]\ntrain = "a\\"b.h5"\n\n[model]\nhidden = [64, 32]\ntied = false\n',
    "toml.flat(toml.parse(toml.render({'a.b': '\u007f\\n\u00e9', 'a.c': [], 'a.d': -1e-7})))":
        {"a.b": "\u007f\n\u00e9", "a.c": [], "a.d": -1e-7},
    "toml.lineOf('[data]\\ntrain = 1\\n[optimizer]\\nname = 2', 'optimizer.name')": 4,
    "toml.lineOf('[data]\\ntrain = 1', 'data.valid')": 1,
    "toml.lineOf('data.train = 1', 'data.train')": 1,
    "toml.lineOf('', 'data.train')": None,
    "[['data.train'], ['train.seed', 'loss.name'], ['data.normalize', 'model.hidden', 'data.augment.noise'], []]"
    ".map((keys) => logic.unlike(keys.map((key) => ({key}))))": ["data.train", "loss.name", "", ""],
    "[{id: 7, kind: 'train'}, {id: 8, kind: 'search'}].map(logic.tag)": ["#7", "#8 · search"],
    f"['[[x]]', 'a', 'a = ', 'a = 1 2', '__proto__ = 1', 'a = [1', 'a = \"', 'a.b = 1\\na = 2\\na.b = 3'].map({_READ})":
        ["Error"] * 8,
    f"['auto', '1e-3', '.5', '', 'fast'].map((text) => schema.valueOf({_LEARNT}, text) ?? null)":
        ["auto", 0.001, 0.5, None, "fast"],
    "['64, 32', '[]', '5'].map((text) => schema.valueOf({choices: [], kinds: [{type: 'array'}]}, text))":
        [[64, 32], [], [5]],
    # An answer that is older than an event that came before it, one that is newer, and one of a run that is gone.
    "[{id: 901, version: 5, state: 'stopped'}, {id: 901, version: 4, state: 'stopping'}, {id: 901, version: 6, "
    "state: 'queued'}].map((job) => store.keep(job).state)": ["stopped", "stopped", "queued"],
    "(store.forget(901), store.keep({id: 901, version: 5, state: 'running'}), store.store.jobs.has(901))": False,
}  # fmt: skip
_ASKED = """Promise.all(["logic", "toml", "schema", "store"].map((name) =>
    import(`${location.origin}/static/${name}.js`)))
  .then(([logic, toml, schema, store]) => [%s])"""


def test_modules_work_out_what_is_shown():
    needs_chromium()
    with chromium() as tab, fake_service([]) as fake:
        tab.visit(fake.url)
        found = tab.value(_ASKED % ", ".join(f"(() => ({expression}))()" for expression in CASES))
        assert dict(zip(CASES, found, strict=True)) == CASES
