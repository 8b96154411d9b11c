// A front end as a person meets it: a page that stays open while its deployment switches.
const text = (page) => page.textContent("#app");

export default async ({ page, context, ask, root }) => {
  const failures = [];
  page.on("pageerror", (error) => failures.push(String(error)));
  await page.goto(root);
  await page.waitForFunction(() => "later" in window);
  const first = { text: await text(page), title: await page.title() };
  first.color = await page.evaluate(() => getComputedStyle(document.querySelector("#app")).color);
  first.release = await page.evaluate(() => fetch(document.querySelector("[rel=deployment]").href).then((r) => r.json()));

  await ask("deploy_second");
  const open = {
    later: await page.evaluate(() => window.later()), // asked for now, after the switch
    pins: await page.evaluate(() => fetch(document.querySelector("[rel=deployment]").href).then((r) => r.json())),
    now: await page.evaluate((root) => fetch(root + "deployment.json").then((r) => r.json()), root),
  };

  await page.reload();
  await page.waitForFunction(() => "later" in window);
  const second = { text: await text(page), later: await page.evaluate(() => window.later()) };

  const deep = await page.goto(root + "images/7/overlays?frame=2#top");
  await page.waitForFunction(() => "later" in window);
  const fallback = { status: deep.status(), text: await text(page), later: await page.evaluate(() => window.later()) };

  const missing = await page.evaluate(async (root) => {
    const answer = await fetch(root + "assets/gone.js");
    const imported = await import(root + "assets/gone.js").then(() => "loaded", () => "refused");
    return { status: answer.status, type: answer.headers.get("content-type"), imported };
  }, root);

  await ask("roll_back");
  await page.goto(root);
  await page.waitForFunction(() => "later" in window);
  const back = {
    text: await text(page),
    later: await page.evaluate(() => window.later()),
    release: await page.evaluate((root) => fetch(root + "deployment.json").then((r) => r.json()), root),
  };
  const other = await context.newPage();
  const timings = [];
  other.on("response", async (response) => timings.push([new URL(response.url()).pathname, await response.headerValue("content-encoding")]));
  await other.goto(root, { waitUntil: "networkidle" });
  return { first, open, second, fallback, missing, back, timings, failures };
};
