// Uses the playground in headless Chromium as a person would: node views.mjs DIST [PICTURES]. Every view is opened, on WebGPU and on the CPU; a CSV file is
// learned, a network saved and loaded; faults are said. Pictures of the views go to PICTURES.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { check, done } from './check.mjs';
import { open, program, serve } from './chrome.mjs';

const [dist, pictures] = process.argv.slice(2);
const name = program();
if (!name) {
  console.log('SKIPPED (no Chromium): the page is not opened');
  process.exit(0);
}
if (pictures) fs.mkdirSync(pictures, { recursive: true });
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'steepest-page-'));
const server = await serve(dist);
const page = await open(name);
const picture = async (what) => { if (pictures) await page.picture(path.join(pictures, `${what}.png`)); };
const ready = () => page.until('document.body?.dataset.ready && document.querySelector("#figures div")');
const figure = async (what) => Number((await page.evaluate(`document.querySelector('[data-figure=${what}] dd').textContent`)).replace(' %', ''));
const message = () => page.evaluate('document.getElementById("message").textContent');
const click = (selector) => page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
const set = (selector, value) => page.evaluate(`{ const input = document.querySelector(${JSON.stringify(selector)}); input.value = ${JSON.stringify(String(value))}; input.dispatchEvent(new Event("change")); }`);
// Trains until as many steps are taken.
const train = async (steps) => {
  await click('#run');
  await page.until(`Number(document.querySelector('[data-figure=stepOf] dd').textContent) >= ${steps}`, 180_000);
  await click('#run');
  await page.until('document.getElementById("run").getAttribute("aria-pressed") === "false"');
  await new Promise((resolve) => { setTimeout(resolve, 300); });
};
const tab = async (what, content) => {
  await click(`#tab-${what}`);
  await page.until(`document.getElementById("panel").textContent.includes(${JSON.stringify(content)})`);
};

for (const device of ['cpu', 'webgpu']) {
  const begun = Date.now();
  await page.go(`${server.address}#device=${device}`);
  await ready();
  console.log(`${device}: ready after ${Date.now() - begun} ms on ${await page.evaluate('document.body.dataset.ready')}`);
  check(`${device}: the device`, /^gpu:/.test(await page.evaluate('document.body.dataset.ready')), device === 'webgpu');
  const before = await figure('lossOf');
  await train(300);
  check(`${device}: the circle is learned`, (await figure('heldOutAccuracyOf')) > 95 && (await figure('lossOf')) < before / 3, true);
  await picture(`${device}-formula`);
  check(`${device}: the formula`, /tanh\(.*x₁/.test(await page.evaluate('document.getElementById("panel").textContent')), true);
  await tab('plan', 'dispatches');
  await tab('kernels', device === 'webgpu' ? 'fn main(' : 'WGSL');
  await picture(`${device}-kernels`);
  await tab('gradients', '64');
  await click('#panel button');
  await page.until('document.querySelectorAll("#panel td.good").length === 6');
  check(`${device}: no gradient is wrong`, await page.evaluate('document.querySelectorAll("#panel td.bad").length'), 0);
  await picture(`${device}-gradients`);
  await tab('curvature', '64');
  await click('#panel button');
  await page.until('document.querySelector("#panel pre")?.textContent.includes("eigenvalues")');
  await tab('export', 'fn main()');
  await picture(`${device}-export`);

  // A setting of every kind.
  for (const [selector, value] of [['#activation', 'relu'], ['#optimizer', 'sgd'], ['#rate', 0.1], ['#batch', 10], ['#loss', 'squared'], ['#l2', 0.001], ['#seed', 5]]) await set(selector, value);
  await click('#add');
  await page.until('document.querySelectorAll("#layers input").length === 3');
  await ready();
  await train(50);
  check(`${device}: the link holds the settings`, await page.evaluate('location.hash'),
    `#layers=6%2C4%2C4&activation=relu&optimizer=sgd&rate=0.1&l2=0.001&batch=10&loss=squared&seed=5${device === 'cpu' ? '&device=cpu' : ''}`);
  await set('#batch', -1);
  await page.until('document.getElementById("message").classList.contains("bad")');
  check(`${device}: what is no batch size is refused`, /the batch size is -1|batch/.test(await message()), true);
  for (const [selector, value] of [['#batch', 32], ['#optimizer', 'adam'], ['#rate', 0.01], ['#loss', 'crossEntropy'], ['#layers input', 32]]) await set(selector, value);

  // Digits, drawn with the mouse.
  await click('#remove');
  await click('#remove');
  await click('[data-set=digits]');
  await page.until('!document.getElementById("draw").hidden');
  await train(300);
  check(`${device}: digits are learned`, (await figure('heldOutAccuracyOf')) > 85, true);
  await page.evaluate(`{ const pad = document.getElementById("pad"); const box = pad.getBoundingClientRect(); const at = (kind, x, y) => pad.dispatchEvent(new PointerEvent(kind, { pointerId: 1, clientX: box.left + x, clientY: box.top + y, bubbles: true }));
    pad.setPointerCapture = () => {}; at("pointerdown", 95, 30); for (let y = 30; y < 165; y += 5) at("pointermove", 95, y); at("pointerup", 95, 165); }`);
  await page.until('document.querySelectorAll("#guesses li").length === 10');
  await picture(`${device}-digits`);

  // A table of one's own.
  const table = path.join(work, 'things.csv');
  const rows = Array.from({ length: 150 }, (_, i) => `${(i * 37) % 101},${['red', 'green', 'blue'][(i * 7) % 3]},${i % 13 ? (i * 3) % 17 : ''},${((i * 37) % 101) + ((i * 7) % 3 === 0 ? 30 : 0) > 60 ? 'large' : 'small'}`);
  fs.writeFileSync(table, `size,colour,holes,label\n${rows.join('\n')}\n`);
  await page.files('#file', [table]);
  await page.until('document.getElementById("row").textContent.includes("size")');
  for (const [selector, value] of [['#rate', 0.03], ['#optimizer', 'adam'], ['#loss', 'crossEntropy']]) await set(selector, value);
  await train(200);
  check(`${device}: the table is learned`, (await figure('heldOutAccuracyOf')) > 90, true);
  await picture(`${device}-table`);
  const bad = path.join(work, 'bad.csv');
  fs.writeFileSync(bad, 'a,b\n1,2\n3\n');
  await page.files('#file', [bad]);
  await page.until('document.getElementById("message").classList.contains("bad")');
  check(`${device}: a fault is said with its line`, /bad\.csv/.test(await message()) && /3/.test(await message()), true);
  await click('[data-set=xor]');
  await page.until('!document.getElementById("plane").hidden');
  await train(20);
}

// Chinese, dark, and a phone.
await set('#language', 'zh');
await page.until('document.getElementById("training-title").textContent === "训练"');
await click('#theme');
await picture('chinese');
await page.size(390, 844, true);
await page.evaluate('dispatchEvent(new Event("resize"))');
check('a phone needs no scrolling sideways', await page.evaluate('document.documentElement.scrollWidth <= 390'), true);
await picture('phone');
check('buttons and fields have names', await page.evaluate(`[...document.querySelectorAll("button, input, select")].filter((e) => !(e.textContent.trim() || e.labels?.[0]?.textContent.trim() || e.ariaLabel)).map((e) => e.outerHTML)`), []);
check('messages', page.messages, []);
await page.close();
server.close();
fs.rmSync(work, { recursive: true });
done();
