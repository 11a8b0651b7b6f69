// Has Tint, the WGSL compiler of Chromium, read every module of a folder: node tint.mjs FOLDER [PACKAGE]
//
// FOLDER holds files *.wgsl whose first line says what they are. PACKAGE is the folder of npm's package `webgpu` (Dawn's bindings for Node); without
// it the package is looked for as usual. Dawn's backend that computes nothing is enough: modules are read, not run. Ends with 1 if one is refused.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

// Modules that one process reads: Dawn's bindings do not survive a collection of many.
const EACH = 300;

// Prints what is wrong with each of these files, a line of JSON for each: null or a text.
async function read(files, place) {
  const { create, globals } = await import(place ? pathToFileURL(path.resolve(place, 'index.js')).href : 'webgpu');
  Object.assign(globalThis, globals);
  const gpu = create(['backend=null']);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error('Dawn has no adapter here');
  const device = await adapter.requestDevice();
  for (const file of files) {
    const code = fs.readFileSync(file, 'utf8');
    device.pushErrorScope('validation');
    const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
    const error = await device.popErrorScope();
    const first = messages.find((message) => message.type === 'error');
    const told = first && `line ${first.lineNum}: ${first.message} | ${code.split('\n')[first.lineNum - 1]?.trim()}`;
    fs.writeSync(1, JSON.stringify(told ?? error?.message ?? null) + '\n');
  }
  process.exit(0);
}

// The same by processes of their own.
function answers(files, place) {
  const found = [];
  while (found.length < files.length) {
    const some = files.slice(found.length, found.length + EACH);
    const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--read', place ?? '', ...some], { encoding: 'utf8' });
    const lines = child.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
    if (lines.length === 0) throw new Error(`Dawn read nothing: ${child.stderr}`);
    found.push(...lines);
  }
  return found;
}

if (process.argv[2] === '--read') {
  const [place, ...files] = process.argv.slice(3);
  await read(files, place);
} else {
  const [folder, place] = process.argv.slice(2);
  const files = fs.readdirSync(folder).filter((name) => name.endsWith('.wgsl')).sort().map((name) => path.join(folder, name));
  // It refuses something: else what it takes says nothing.
  const wrong = path.join(fs.mkdtempSync(path.join(folder, 'wrong-')), 'wrong.txt');
  fs.writeFileSync(wrong, 'const A: f32 = 3.4028235e38;');
  const [refusal, ...all] = answers([wrong, ...files], place);
  fs.rmSync(path.dirname(wrong), { recursive: true });
  if (!refusal) throw new Error('Tint takes a number beyond the largest f32');
  const refused = all.flatMap((why, i) => (why === null ? [] : [`${files[i]}: ${fs.readFileSync(files[i], 'utf8').split('\n')[0].slice(0, 160)}\n    ${why}`]));
  if (refused.length) console.log(refused.join('\n'));
  console.log(`Tint: ${all.length - refused.length} modules accepted, ${refused.length} refused`);
  process.exit(all.length > 0 && refused.length === 0 ? 0 : 1);
}
