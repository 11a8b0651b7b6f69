// What the checks of this folder share: counting, and the last line.
import { isDeepStrictEqual } from 'node:util';

let passed = 0;
let failed = 0;

// Counts whether what was found is what was expected, and says where it is not.
export function check(what, found, expected) {
  if (isDeepStrictEqual(found, expected)) {
    passed += 1;
    return;
  }
  failed += 1;
  console.log(`FAILED ${what}\n  found    ${JSON.stringify(found)}\n  expected ${JSON.stringify(expected)}`);
}

// Prints the counts and ends the program.
export function done() {
  console.log(`${passed} checks passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}
