// Trains in Node on the device of the processor: node node.mjs PACKAGE LOSSES, where PACKAGE is what wasm-bindgen made for Node and LOSSES the file
// of the losses that there should be. Ends with 1 if anything differs.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { check, done } from './check.mjs';

const [folder, losses] = process.argv.slice(2);
const wasm = createRequire(import.meta.url)(path.resolve(folder, 'losses.js'));
const expected = fs.readFileSync(losses, 'utf8').trim().split('\n');

// Node has no WebGPU: the devices are those there are, and asking for another is an error, not a panic.
check('devices', await wasm.devices(), ['cpu']);
check('a GPU is refused', /no usable GPU|no device named/.test(await wasm.train('gpu', 'xor').catch((e) => e.message)), true);
check('an unknown training is refused', /no device named `other`/.test(await wasm.train('cpu', 'other').catch((e) => e.message)), true);
check('waiting for the processor', await wasm.wait('cpu'), 4);
for (const training of ['xor', 'digits']) {
  const start = performance.now();
  check(training, await wasm.train('cpu', training), expected.filter((line) => line.startsWith(training)));
  console.log(`${training}: ${(performance.now() - start).toFixed(0)} ms`);
}
// Every op as WebAssembly computes it, and every gradient.
const start = performance.now();
const [values, gradients, ...wrong] = wasm.ops('');
check('wrong cases', wrong, []);
const [cases, elements] = values.split(' ').map(Number);
check('there are cases', cases > 1000 && elements > 100_000 && Number(gradients.split(' ')[0]) > 100, true);
console.log(`ops: ${cases} cases, ${elements} elements; gradients: ${gradients.split(' ')[0]} cases; ${wrong.length} wrong; ${((performance.now() - start) / 1000).toFixed(0)} s`);
done();
