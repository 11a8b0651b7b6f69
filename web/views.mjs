// Uses the playground in headless Chromium as a person would: node views.mjs DIST [PICTURES]. Every view is opened, on WebGPU and on the CPU; files are learned,
// networks saved and loaded; faults are said; keys alone do. Pictures of the views go to PICTURES. STEEPEST_VIEWS names the parts to do, such as `faults,reach`.
import fs from 'node:fs';
import path from 'node:path';
import { check, done } from './check.mjs';
import { open, program, serve } from './chrome.mjs';
import { faults } from './views/faults.mjs';
import { person } from './views/person.mjs';
import { reach } from './views/reach.mjs';
import { training } from './views/training.mjs';
import { verification } from './views/verification.mjs';

const [dist, pictures] = process.argv.slice(2);
const name = program();
if (!name) {
  console.log('SKIPPED (no Chromium): the page is not opened');
  process.exit(0);
}
if (pictures) fs.mkdirSync(pictures, { recursive: true });
const wanted = (part) => !process.env.STEEPEST_VIEWS || process.env.STEEPEST_VIEWS.split(',').includes(part);
const server = await serve(dist);
// Losses of the library, natively: `name step loss held-out`.
const losses = new Map(
  fs.readFileSync(path.join(import.meta.dirname ?? 'web', 'tests/losses.txt'), 'utf8').trim().split('\n').map((line) => {
    const [what, step, ...numbers] = line.split(' ');
    return [`${what} ${step}`, [what, step, ...numbers.map(Number)]];
  }),
);
// Every device that a worker opens can be lost by a test. WebGPU is not there yet when a worker begins: it is at the first message.
const inWorkers = `globalThis.devices = [];
  addEventListener('message', () => {
    const request = globalThis.GPUAdapter?.prototype.requestDevice;
    if (!request) return;
    GPUAdapter.prototype.requestDevice = async function kept(...args) {
      const device = await request.apply(this, args);
      devices.push(device);
      return device;
    };
  }, { once: true });`;
const page = await open(name, { inWorkers });
const me = person(page, server.address, pictures);
// One part; what it stumbles over counts as failed, and the others are done.
const part = async (what, run) => {
  if (!wanted(what.split(' ')[0])) return;
  try {
    await run();
  } catch (error) {
    check(`${what}: to its end`, error.stack, '');
  }
};
for (const device of (process.env.STEEPEST_VIEWS_DEVICES ?? 'cpu,webgpu').split(',')) {
  await part(`training on ${device}`, () => training(me, device, losses));
  await part(`verification on ${device}`, () => verification(me, device));
}
await part('faults', () => faults(me, { name, server, inWorkers }));
await part('reach', () => reach(me));
check('messages of the console', page.messages, []);
await page.close();
me.close();
server.close();
done();
