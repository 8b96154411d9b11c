// What the browser is, and that a page of it runs scripts.
export default async ({ page, ask, greeting }) => {
  await page.setContent(`<h1>${greeting}</h1>`);
  const heading = await page.evaluate(() => document.querySelector("h1").textContent);
  return { heading, answer: await ask("double", 21), agent: await page.evaluate(() => navigator.userAgent) };
};
