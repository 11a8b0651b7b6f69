// Has a page in headless Chromium verify WebGPU on SwiftShader, and await every kind of call that waits natively: node verify.mjs FOLDER [FILTER], where FOLDER
// holds blank.html and what wasm-bindgen made of losses/ for the web. FILTER, part of a family's name, makes it shorter. Looks at how long the page stands still, and
// at a device that is lost in the middle. Says SKIPPED where there is no Chromium.
import { check, done } from './check.mjs';
import { open, program, serve } from './chrome.mjs';

// A page that stands still for longer has been forgotten; one case may take a second or two where the machine is busy.
const STILL = 10_000;

const [folder, filter = ''] = process.argv.slice(2);
const name = program();
if (!name) {
  console.log('SKIPPED (no Chromium): nothing is verified in a browser');
  process.exit(0);
}
const server = await serve(folder);
const page = await open(name);
await page.go(`${server.address}blank.html`);
await page.until('document.title === "Verification"');
await page.evaluate('import("./losses.js").then(async (wasm) => { await wasm.default(); globalThis.wasm = wasm; })');

// What waits natively, on WebGPU and on the CPU: the same to the digits that are told.
const lines = {};
for (const device of ['cpu', 'webgpu']) {
  lines[device] = await page.evaluate(`wasm.awaited("${device}").catch((error) => [String(error.message ?? error)])`);
}
console.log(lines.webgpu.join('\n'));
check('calls that wait natively', lines.webgpu, lines.cpu);
check('there are as many as were made', lines.cpu.length, 15);

// A device that is lost ends its verification with an error.
check('a lost device ends it', await page.evaluate(`(async () => {
  const create = GPUAdapter.prototype.requestDevice;
  let device;
  GPUAdapter.prototype.requestDevice = async function (...given) { device = await create.apply(this, given); return device; };
  let [calls, end] = [0, null];
  const verified = wasm.verify('webgpu', 'softmax', () => { calls += 1; if (calls === 20) device.destroy(); });
  end = await Promise.race([verified.then(() => 'ended well', (error) => error.message), new Promise((resolve) => { setTimeout(resolve, 60_000, 'hangs'); })]);
  GPUAdapter.prototype.requestDevice = create;
  return /was lost/.test(end) ? 'lost' : end;
})()`), 'lost');

// The whole of it, with the page's own clock ticking meanwhile.
await page.evaluate(`{
  globalThis.told = { progress: ['', 0, 0], calls: 0, still: 0, lines: null };
  let last = performance.now();
  const tick = setInterval(() => { const now = performance.now(); told.still = Math.max(told.still, now - last); last = now; }, 10);
  wasm.verify('webgpu', ${JSON.stringify(filter)}, (...progress) => { told.progress = progress; told.calls += 1; })
    .then((lines) => { told.lines = lines; }, (error) => { told.lines = ['0 0 0', 'WRONG ' + error.message]; })
    .finally(() => clearInterval(tick));
}`);
for (let told = 0; !(await page.evaluate('told.lines !== null'));) {
  await new Promise((resolve) => { setTimeout(resolve, 1_000); });
  const [part, finished, total] = await page.evaluate('told.progress');
  if (finished - told > 500) { told = finished; console.log(`${finished} of ${total}: ${part}`); }
}
const { lines: found, still, calls, progress } = await page.evaluate('told');
console.log(found.join('\n'));
console.log(`the page stood still for ${Math.round(still)} ms at most`);
const [cases] = found[0].split(' ').map(Number);
check('cases', cases > (filter ? 0 : 2_000), true);
check('wrong', found.filter((line) => line.startsWith('WRONG')), []);
check('progress reached its end', progress[1] === progress[2] && calls >= progress[2], true);
check('the page went on', still < STILL, true);
check('messages', page.messages, []);
await page.close();
server.close();
done();
