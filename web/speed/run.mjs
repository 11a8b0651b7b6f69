// Times trainings beside TensorFlow.js, in Node and in one page of headless Chromium, and looks whether memory stays as it is over many steps:
// node run.mjs PACKAGES TFJS [NATIVE...], where PACKAGES has what wasm-bindgen made (`nodejs`, `web`) and TFJS the node_modules that npm installed. NATIVE is a
// command to which a workload is added and that prints a line of JSON with `min_ms`: the same training natively on one thread. Ends with 1 where losses differ
// or memory grows; times are told, and are no reason to fail.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';
import { check, done } from '../check.mjs';
import { open, program, serve } from '../chrome.mjs';
import { WORKLOADS, memory, race } from './measure.mjs';
import { train } from './tfjs.mjs';

const SECONDS = Number(process.env.SPEED_SECONDS ?? 4);
const MEMORY_STEPS = Number(process.env.SPEED_STEPS ?? 10_000);
const only = process.env.SPEED_ONLY?.split(',');
const workloads = WORKLOADS.filter((workload) => !only || only.includes(workload));

const [packages, modules, ...native] = process.argv.slice(2);
const here = path.dirname(new URL(import.meta.url).pathname);
const require = createRequire(import.meta.url);

const shown = (found) => (found === undefined ? '' : found.cannot ? 'cannot' : found.median.toFixed(3));
// Of their engines the fastest, so many times as slow as ours.
const ratio = (ours, theirs) => {
  const times = theirs.filter((found) => found?.median).map((found) => found.median);
  return ours?.median && times.length ? `${(Math.min(...times) / ours.median).toFixed(1)} x` : '';
};
// Why an engine cannot train something.
const reasons = (found) => {
  for (const [name, { cannot }] of Object.entries(found)) if (cannot) console.error(`${name}: ${cannot}`);
};
const line = (cells) => console.log(`| ${cells.join(' | ')} |`);
const table = (head) => { line(head); line(head.map(() => '---')); };

// Milliseconds of a step natively, on one thread.
function natively(workload) {
  if (!native.length || workload === 'transformer') return undefined;
  const env = { ...process.env, RAYON_NUM_THREADS: '1', PEER_BUDGET_S: '1' };
  const { stdout } = spawnSync(native[0], [...native.slice(1), workload], { env, encoding: 'utf8' });
  const { median_ms: median } = JSON.parse(stdout);
  return { median };
}

// Bytes of JavaScript's heap that may come and go.
const HEAP = 1 << 20;

// Whether over many steps all that is counted stays as it is: bytes of WebAssembly's memory, of the device's account, nodes, and what the browser made.
function flat(what, { before, after }) {
  const { heap: heapBefore, ...countedBefore } = before;
  const { heap: heapAfter, ...countedAfter } = after;
  console.log(`${what}: ${JSON.stringify(after)}, JavaScript's heap grew by ${heapAfter - heapBefore} bytes`);
  check(`${what}: memory`, countedAfter, countedBefore);
  check(`${what}: JavaScript's heap`, heapAfter - heapBefore < HEAP, true);
}

async function inNode() {
  // The package keeps its memory to itself.
  const { Instance } = WebAssembly;
  let module;
  WebAssembly.Instance = class extends Instance { constructor(...args) { super(...args); module = this.exports; } };
  const { Training } = require(path.resolve(packages, 'nodejs/speed.js'));
  WebAssembly.Instance = Instance;
  const tf = require(path.resolve(modules, '@tensorflow/tfjs'));
  require(path.resolve(modules, '@tensorflow/tfjs-backend-wasm'));
  console.log(`\nIn Node ${process.version}: ms of a step, median (TensorFlow.js ${tf.version.tfjs})\n`);
  table(['workload', 'ours', 'tfjs wasm', 'tfjs cpu', 'theirs / ours', 'native, one thread', 'ours / native']);
  for (const workload of workloads) {
    const arrays = await (await Training.open('cpu', workload)).arrays();
    const makers = { ours: () => Training.open('cpu', workload), wasm: () => train(tf, 'wasm', workload, arrays) };
    // Their backend for WebAssembly cannot train every model; then their backend in plain JavaScript stands for it.
    if (workload.startsWith('cnn')) makers.cpu = () => train(tf, 'cpu', workload, arrays);
    const found = await race(workload, makers, SECONDS);
    reasons(found);
    const { ours, wasm, cpu } = found;
    const alone = natively(workload);
    const cells = [workload, shown(ours), shown(wasm), shown(cpu), ratio(ours, [wasm, cpu]), alone ? alone.median.toFixed(3) : '', alone ? `${(ours.median / alone.median).toFixed(1)} x` : ''];
    line(cells);
  }
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc');
  const training = await Training.open('cpu', 'mlp_b64');
  const look = () => {
    collect();
    const [live, kept] = training.bytes();
    return { wasm: module.memory.buffer.byteLength, live, kept, nodes: training.nodes(), heap: process.memoryUsage().heapUsed };
  };
  console.log('');
  flat(`Node, cpu, mlp_b64, ${MEMORY_STEPS} steps`, await memory((count) => training.steps(count), MEMORY_STEPS, look));
}

async function inChromium(name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'steepest-speed-'));
  for (const file of ['page.html', 'first.html', 'measure.mjs', 'tfjs.mjs']) fs.copyFileSync(path.join(here, file), path.join(folder, file));
  fs.cpSync(path.join(packages, 'web'), folder, { recursive: true });
  const theirs = (part) => path.join(modules, '@tensorflow', part);
  for (const file of [theirs('tfjs/dist/tf.min.js'), theirs('tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js'), theirs('tfjs-backend-wasm/dist/tf-backend-wasm.min.js')]) {
    fs.copyFileSync(file, path.join(folder, path.basename(file)));
  }
  for (const file of fs.readdirSync(theirs('tfjs-backend-wasm/dist')).filter((file) => file.endsWith('.wasm'))) {
    fs.copyFileSync(path.join(theirs('tfjs-backend-wasm/dist'), file), path.join(folder, file));
  }
  const server = await serve(folder);
  const page = await open(name);
  const opened = async () => { await page.go(`${server.address}page.html`); await page.until('window.ready'); };
  await opened();
  const version = (await page.send('Browser.getVersion')).product;
  console.log(`\nIn ${version}, WebGPU on SwiftShader: ms of a step, median\n`);
  table(['workload', 'ours, WebGPU', 'ours, CPU', 'tfjs webgpu', 'tfjs wasm', 'tfjs cpu', 'webgpu / ours, WebGPU', 'their best / ours, WebGPU', 'their best / ours, CPU']);
  for (const workload of workloads) {
    const engines = ['cpu', 'webgpu', 'tfjs webgpu', 'tfjs wasm', ...(workload.startsWith('cnn') ? ['tfjs cpu'] : [])];
    const found = await page.evaluate(`race(${JSON.stringify(workload)}, ${SECONDS}, ${JSON.stringify(engines)})`);
    reasons(found);
    const all = [found['tfjs webgpu'], found['tfjs wasm'], found['tfjs cpu']];
    line([workload, shown(found.webgpu), shown(found.cpu), ...all.map(shown), ratio(found.webgpu, all.slice(0, 1)), ratio(found.webgpu, all), ratio(found.cpu, all)]);
  }
  console.log('');
  for (const [device, workload, steps] of [['cpu', 'mlp_b64', MEMORY_STEPS], ['webgpu', 'linreg_b16', MEMORY_STEPS], ['webgpu', 'mlp_b64', MEMORY_STEPS / 20]]) {
    // A page of its own: what other libraries hold is not counted.
    await opened();
    await page.evaluate(`begin('${device}', '${workload}')`);
    const look = async () => {
      await page.send('HeapProfiler.collectGarbage');
      const { usedSize: heap } = await page.send('Runtime.getHeapUsage');
      return { ...await page.evaluate('look()'), heap };
    };
    flat(`Chromium, ${device}, ${workload}, ${steps} steps`, await memory((count) => page.evaluate(`take(${count})`), steps, look));
  }
  console.log('\nms from asking for the page to its script, the module being there, the device being open, the first step; three times\n');
  for (const device of ['cpu', 'webgpu']) {
    const rounds = [];
    for (let round = 0; round < 3; round += 1) {
      await page.go(`${server.address}first.html#${device}`);
      await page.until('window.times');
      rounds.push(Object.values(await page.evaluate('times')).map(Math.round).join(' '));
    }
    console.log(`${device}: ${rounds.join(', ')}`);
  }
  check('messages', page.messages.filter((message) => !/powerPreference|WebGL/.test(message)), []);
  await page.close();
  server.close();
  fs.rmSync(folder, { recursive: true, force: true });
}

await inNode();
const name = program();
if (name) await inChromium(name); else console.log('SKIPPED (no Chromium): nothing is measured in a browser');
done();
