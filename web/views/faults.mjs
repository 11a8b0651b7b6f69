// Bad input and bad luck: each is a sentence that says what to do, and the page goes on.
import fs from 'node:fs';
import path from 'node:path';
import { check } from '../check.mjs';
import { open as browser } from '../chrome.mjs';
import { person } from './person.mjs';

// Tables with a fault, and what the sentence says of it.
const TABLES = {
  'empty.csv': ['', /empty\.csv/],
  'header.csv': ['a,b,c\n', /no rows/],
  'one.csv': [`a\n${'1\n2\n'.repeat(20)}`, /column/],
  'ragged.csv': ['a,b\n1,2\n3\n4,5\n', /ragged\.csv.*3/],
  'missing.csv': [`a,b\n${'1,\n2,\n'.repeat(20)}`, /b|missing/],
  'binary.csv': [Buffer.from([...Buffer.from('a,b\n1,2\n'), 0xff, 0xfe, 0x00, 0xd8, 0x2c, 0x31, 0x0a]), /binary\.csv/],
  'text.csv': [`a,b\n${Array.from({ length: 60 }, (_, i) => `note number ${i},remark ${i * 7}\n`).join('')}`, /./],
  'twice.csv': ['a,a\n1,2\n3,4\n', /twice\.csv/],
  'same.csv': [`a,b\n${'1,2\n3,2\n'.repeat(20)}`, /b/],
  'infinite.csv': [`a,b\n${'1,2\n3,1e999\n'.repeat(20)}`, /./],
};

export async function faults(me, { name, server, inWorkers }) {
  await links(me);
  await tables(me);
  await large(me);
  await models(me);
  await least(me);
  await lost(me);
  await closed(me);
  await withoutWebGpu(me, name, server, inWorkers);
  await withoutSimd(name, server);
}

// Whether the page still trains.
async function goesOn(me, what) {
  await me.click('[data-set=circle]');
  await me.still();
  const before = await me.figure('stepOf');
  await me.train(before + 16);
  check(`${what}: the page goes on`, (await me.figure('stepOf')) >= before + 16, true);
}

async function links(me) {
  await me.open('device=cpu&rate=fast&layers=6,-1&features=x1,x9&batch=1.5&noise=7&seed=&data=spiral&loss=none&activation=tanh&constructor=1&language=__proto__');
  const said = await me.fault();
  check('a link that makes no sense is named', ['rate=fast', 'layers=6,-1', 'features=x1,x9', 'batch=1.5', 'noise=7', 'seed=', 'loss=none'].filter((part) => !said.includes(part)), []);
  check('what makes sense in it is taken', await me.page.evaluate('[document.querySelector("[data-set=spiral]").checked, document.getElementById("rate").value]'), [true, '0.03']);
  await goesOn(me, 'a damaged link');
  await me.open('device=cpu&layers=&data=table&%E0%A4%A=1&loss=hinge');
  check('no hidden layer, and a table that is not there', await me.page.evaluate('[document.querySelectorAll("#layers .group").length, document.querySelector("[data-set=circle]").checked]'), [1, true]);
  await goesOn(me, 'a link without layers');
}

async function tables(me) {
  await me.open('device=cpu');
  for (const [name, [contents, says]] of Object.entries(TABLES)) {
    await me.quiet();
    await me.drop(me.file(name, contents));
    await me.page.until('document.getElementById("message").textContent && !document.getElementById("message").textContent.startsWith("Reading")');
    await me.still();
    const said = await me.message();
    // What can be learned after all is learned; else a sentence.
    const bad = await me.page.evaluate('document.getElementById("message").classList.contains("bad")');
    if (!bad) await me.train(8);
    check(`${name}: a sentence`, [said.length > 10, says.test(said), /unreachable|undefined|panick|RuntimeError/.test(said)], [true, true, false]);
    console.log(`${name}: ${said}`);
  }
  await goesOn(me, 'after bad tables');
}

// 200 MB are refused before they are read. What is near the limit is learned, or the engine's end is said.
async function large(me) {
  const file = path.join(me.folder, 'large.csv');
  const out = fs.openSync(file, 'w');
  const rows = Array.from({ length: 20_000 }, (_, i) => `${(i * 37) % 101},${(i * 7) % 13},${i % 2}\n`).join('');
  fs.writeSync(out, 'a,b,c\n');
  let size = 0;
  for (; size < 200 << 20; size += rows.length) fs.writeSync(out, rows);
  await me.open('device=cpu');
  await me.drop(file);
  check('200 MB', /large\.csv has 20\d MB; the page takes up to 64/.test(await me.fault()), true);
  await goesOn(me, 'after 200 MB');
  // The same by dropping it.
  await me.quiet();
  await me.page.evaluate('{ const event = new Event("drop", { bubbles: true, cancelable: true }); event.dataTransfer = { files: [new File([new Uint8Array(70 * 1048576)], "dropped.csv")] }; document.dispatchEvent(event); }');
  check('70 MB dropped', /dropped\.csv has 70 MB/.test(await me.fault()), true);
  fs.truncateSync(file, (60 << 20) - ((60 << 20) % 8));
  const begun = Date.now();
  await me.quiet();
  await me.drop(file);
  await me.page.until('document.getElementById("message").textContent && !document.getElementById("message").textContent.startsWith("Reading")', 300_000);
  const said = await me.message();
  console.log(`60 MB of CSV: ${said} (${Math.round((Date.now() - begun) / 1000)} s)`);
  check('60 MB: learned, or a sentence', /rows, 2 features|stopped|memory/.test(said), true);
  if (await me.page.evaluate('!document.getElementById("recover").hidden')) await me.click('[data-go-on=cpu]');
  await me.ready();
  fs.rmSync(file);
  await goesOn(me, 'after 60 MB');
}

async function models(me) {
  await me.open('device=cpu');
  await me.tab('export', 'fn main()');
  const file = fs.readFileSync(await me.saved('#panel button', 'network.safetensors'));
  for (const [name, contents, says] of [
    ['photo.safetensors', Buffer.from('\x89PNG\r\n\x1a\n and more'), /photo\.safetensors/],
    ['nothing.safetensors', Buffer.alloc(0), /nothing\.safetensors/],
    ['half.safetensors', file.subarray(0, file.length >> 1), /half\.safetensors/],
    ['settings.safetensors', Buffer.from(file.toString('latin1').replace('\\"rate\\":0.03', '\\"rate\\":-1.0'), 'latin1'), /settings\.safetensors.*checksum/],
  ]) {
    await me.tab('export', 'fn main()');
    await me.quiet();
    await me.page.files('#model', [me.file(name, contents)]);
    const said = await me.fault();
    check(`${name}: a sentence`, [says.test(said), /unreachable/.test(said)], [true, false]);
  }
  await goesOn(me, 'after files that are no networks');
}

// A device with no more than what WebGPU grants everywhere.
async function least(me) {
  await me.open('device=webgpu&limits=least');
  const limits = await me.page.inWorker('{ const { limits, features } = devices.at(-1); [limits.maxStorageBuffersPerShaderStage, limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupStorageSize, limits.maxStorageBufferBindingSize, [...features].filter((name) => name !== "core-features-and-limits").length]; }');
  check('the least limits', limits, [8, 256, 16384, 134217728, 0]);
  const before = await me.figure('lossOf');
  await me.train(200);
  check('with them the circle is learned', (await me.figure('lossOf')) < before / 2, true);
  await me.click('[data-set=digits]');
  await me.page.until('!document.getElementById("draw").hidden');
  await me.still();
  await me.train(60);
  check('and digits', (await me.figure('lossOf')) < 1.5, true);
}

// The device is lost in mid-training: the network goes on from its last weights, on a new device and on the CPU.
async function lost(me) {
  const { page, click, figure } = me;
  for (const [kind, data] of [['webgpu', 'circle'], ['cpu', 'digits'], ['webgpu', 'table']]) {
    await me.open(`device=webgpu${data === 'table' ? '' : `&data=${data}`}`);
    if (data === 'table') {
      await me.drop(me.table());
      await page.until('document.getElementById("row").textContent.includes("size")');
      await me.still();
    }
    const first = await figure('lossOf');
    await click('#run');
    await page.until('Number(document.querySelector("[data-figure=stepOf] dd").textContent) >= 80');
    await page.inWorker('devices.at(-1).destroy()');
    await page.until('!document.getElementById("recover").hidden', 20_000);
    check(`${data}: the loss is said`, /The device was lost.*last weights/.test(await me.fault()), true);
    await me.picture(`lost-${data}`);
    await me.wait(300);
    const [step, loss] = [await figure('stepOf'), await me.whole('lossOf')];
    await page.evaluate('delete document.body.dataset.ready');
    await click(`[data-go-on=${kind}]`);
    await me.ready();
    await me.still();
    check(`${data}: it goes on with ${kind}`, [/^gpu:/.test(await me.device()), await figure('stepOf'), await page.evaluate('document.getElementById("recover").hidden')], [kind === 'webgpu', step, true]);
    // The same numbers, but for the order in which they are added up.
    check(`${data}: from the last weights`, Math.abs((await me.whole('lossOf')) - loss) < 1e-3 * loss, true);
    await me.train(step + 40);
    check(`${data}: and learns`, (await figure('lossOf')) < first, true);
  }
  // Chromium says itself that a device is lost while work is under way; nothing else.
  const own = page.messages.filter((message) => !/lost|destroyed/i.test(message));
  page.messages.splice(0, page.messages.length, ...own);
}

// A tab closed in mid-training hangs nothing.
async function closed(me) {
  for (const device of ['cpu', 'webgpu']) {
    await me.open(`device=${device}`);
    await me.click('#run');
    await me.page.until('Number(document.querySelector("[data-figure=stepOf] dd").textContent) > 8');
    const begun = Date.now();
    await me.page.another();
    await me.open(`device=${device}`);
    await me.train(16);
    check(`${device}: a closed tab hangs nothing`, Date.now() - begun < 30_000, true);
  }
}

// A page that is not served by https or from this machine has no WebGPU.
async function withoutWebGpu(me, name, server, inWorkers) {
  const page = await browser(name, { flags: ['--host-resolver-rules=MAP plain.test 127.0.0.1'], inWorkers });
  const other = person(page, `http://plain.test:${server.port}/`);
  await other.open('');
  check('no WebGPU: the CPU, and why', [await page.evaluate('isSecureContext'), /^cpu/.test(await other.device()), /No WebGPU here \(WebGPU needs https or localhost\), so training runs on the CPU/.test(await other.message())], [false, true, true]);
  await other.train(16);
  check('without WebGPU it trains', (await other.figure('stepOf')) >= 16, true);
  check('no WebGPU: messages of the console', page.messages, []);
  other.close();
  await page.close();
}

// A processor without the instructions that WebAssembly's SIMD needs.
async function withoutSimd(name, server) {
  const page = await browser(name, { flags: ['--js-flags=--no-enable-sse4-1 --no-enable-sse4-2 --no-enable-ssse3 --no-enable-avx --no-enable-avx2'] });
  await page.go(server.address);
  await page.until('document.getElementById("message")?.textContent');
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  const said = await page.evaluate('document.getElementById("message").textContent');
  check('no SIMD: a sentence', /no SIMD.*Take a newer one/.test(said), true);
  check('no SIMD: messages of the console', page.messages, []);
  await page.close();
}
