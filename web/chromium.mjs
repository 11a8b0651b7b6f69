// Trains in headless Chromium, on WebGPU by SwiftShader and on the processor: node chromium.mjs FOLDER LOSSES, where FOLDER holds page.html and what
// wasm-bindgen made for the web. Says SKIPPED where there is no Chromium; ends with 1 if anything differs.
import fs from 'node:fs';
import { check, done } from './check.mjs';
import { open, program, serve } from './chrome.mjs';

// A page that says nothing for so long never will.
const PATIENCE = 300_000;

const [folder, losses] = process.argv.slice(2);
const name = program();
if (!name) {
  console.log('SKIPPED (no Chromium): nothing is trained in a browser');
  process.exit(0);
}
const server = await serve(folder);
const page = await open(name);
await page.go(`${server.address}page.html`);
await page.until('document.getElementById("told")?.textContent', PATIENCE);
const told = JSON.parse(await page.evaluate('document.getElementById("told").textContent'));
await page.close();
server.close();

console.log(JSON.stringify(told, null, 1));
const expected = fs.readFileSync(losses, 'utf8').trim().split('\n');
const number = (line) => Number(line.split(' ').pop());
for (const training of ['xor', 'digits']) {
  const should = expected.filter((line) => line.startsWith(training));
  check(`cpu ${training}`, told[`cpu ${training}`], should);
  // SwiftShader adds up in another order: the same to three digits.
  const found = told[`webgpu ${training}`];
  const near = Array.isArray(found) && found.length === should.length
    && found.every((line, i) => Math.abs(number(line) - number(should[i])) < 2e-3 * Math.max(number(should[i]), 1e-3));
  check(`webgpu ${training}`, near ? 'near' : found, 'near');
}
check('waiting for the processor', told['cpu wait'], 4);
check('waiting for a GPU is an error', /nothing can wait in a browser/.test(told['webgpu wait']), true);
check('a lost device is an error', /was lost/.test(told['webgpu lose']), true);
check('there are shaders', told.shaders > 10, true);
check('refused shaders', told.refused, []);
check('messages', told.messages, []);
done();
