// lighthouse.mjs PORT URL COOKIE desktop|mobile: Lighthouse's scores of a page for whoever the cookie
// belongs to, in the Chromium that listens at PORT, as JSON.
import lighthouse, { desktopConfig } from 'lighthouse';

const [port, url, cookie, device] = process.argv.slice(2);
const result = await lighthouse(
  url,
  {
    port: Number(port),
    output: 'json',
    logLevel: 'error',
    onlyCategories: ['performance', 'accessibility', 'best-practices'],
    disableStorageReset: true,
    extraHeaders: { Cookie: cookie },
  },
  device === 'desktop' ? desktopConfig : undefined,
);
const { categories, audits, runtimeError } = result.lhr;
if (runtimeError) throw new Error(runtimeError.message);
const scores = Object.entries(categories).map(([name, { score }]) => [name, score * 100]);
const lost = Object.values(audits)
  .filter(({ score, scoreDisplayMode }) => score !== null && score < 0.9 && /binary|metric|numeric/i.test(scoreDisplayMode))
  .map(({ id, score, displayValue }) => `${id} ${score} ${displayValue ?? ''}`.trim());
console.log(JSON.stringify({ scores: Object.fromEntries(scores), lost }));
