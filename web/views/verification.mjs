// The device verified in the page: counted, stopped, found wrong where it is, and the report saved. The whole of it takes minutes: with STEEPEST_VIEWS_VERIFY=1.
import fs from 'node:fs';
import { check } from '../check.mjs';

export async function verification(me, device) {
  const { page, open, click, set, text, train, figure } = me;
  const begin = async (hash, filter) => {
    await open(`device=${device}${hash}`);
    await me.tab('verify', 'f64');
    await set('#verify-filter', filter);
    await click('#verify-begin');
  };
  const done = (patience) => page.until('document.querySelector("#verdict, #verify-found > .bad")', patience);


  await begin('', 'matmul');
  await done(300_000);
  check(`${device}: matmul is right`, /^✓ .*0 wrong/.test(await text('#verify-found')), true);
  const cases = Number(/(\d+) cases/.exec(await text('#verify-found .hint'))?.[1]);
  check(`${device}: so many cases`, cases > 20, true);
  await me.picture(`${device}-verify`);
  const report = fs.readFileSync(await me.saved('#verify-found button', 'verification.txt'), 'utf8');
  check(`${device}: the report`, [/^adapter: /m, /^browser: Mozilla/m, /^device: /m, /\b0 wrong/, new RegExp(`^${cases} cases`, 'm')].filter((wanted) => !wanted.test(report)), []);

  await begin('&plant=matmul', 'matmul');
  await done(300_000);
  check(`${device}: an op made wrong is found`, [/^✗ \d+ wrong/.test(await text('#verdict')), /matmul/.test(await text('#verify-found .failures'))], [true, true]);
  await begin('', 'no such op');
  await done();
  check(`${device}: an op that is not there`, /no operation has `no such op`/.test(await text('#verify-found')), true);

  // The network is trained meanwhile; then it is stopped.
  await begin('', '');
  await page.until('document.querySelector("#verify-bar progress")?.value > 0', 120_000);
  await train(24);
  check(`${device}: training goes on beside it`, (await figure('stepOf')) >= 24, true);
  await click('#tab-plan');
  await me.tab('verify', 'f64');
  await page.until('document.getElementById("verify-bar")');
  await click('#verify-stop');
  await page.until('document.getElementById("verify-found").textContent.startsWith("Stopped after")');
  check(`${device}: it can be begun again`, await page.evaluate('document.getElementById("verify-begin").disabled'), false);


  if (process.env.STEEPEST_VIEWS_VERIFY) {
    const begun = Date.now();
    await click('#verify-begin');
    await done(3_600_000);
    check(`${device}: the whole verification`, /^✓ .*0 wrong/.test(await text('#verify-found')), true);
    console.log(`${device}: ${await text('#verify-found .hint')} (${Math.round((Date.now() - begun) / 1000)} s)`);
    await me.picture(`${device}-verified`);
  } else console.log(`SKIPPED (STEEPEST_VIEWS_VERIFY is not set): the whole verification on ${device}`);
}
