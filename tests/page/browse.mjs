// A person's way through the pages, in a real browser. Prints one line of JSON: errors on the console, and what was asked
// for from elsewhere. Fails at the first thing that is not as it should be.
//
//   node browse.mjs BROWSER ADDRESS TOKEN FOLDER-FOR-PICTURES PLAYWRIGHT-CORE

import assert from "node:assert/strict";

const [browserPath, address, token, pictures, playwright] = process.argv.slice(2);
const { chromium } = await import(playwright);
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: browserPath, args: quiet });
const errors = [], elsewhere = [];

async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("dialog", (dialog) => { errors.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !url.startsWith("data:") && !url.startsWith("about:")) elsewhere.push(url);
  });
  return page;
}

const shot = (page, name) => page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
const text = async (page) => await page.textContent("main");

async function embedded(page) {
  const frame = await (await page.waitForSelector("iframe")).contentFrame();
  await frame.waitForURL(/\/html$/);
  // Not by a selector: the waiting would be a script in the frame, which is refused there and stands on the console.
  await frame.waitForLoadState("load");
  return frame;
}

async function login(page) {
  await page.goto(`${address}/`);
  assert.match(page.url(), /\/login\?next=/);
  await page.fill("input[name=token]", token);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${address}/`);
}

// The pages must work without any script of theirs.
const page = await open({ javaScriptEnabled: true });

// A wrong token is told.
await page.goto(`${address}/messages`);
await page.fill("input[name=token]", "not-the-token-0123456789");
await page.click("main button");
assert.match(await text(page), /No such token/);
await login(page);

// Overview: three mailboxes, one of which is paused and resumed.
for (const name of ["support", "sales", "billing", "desk", "erp"]) assert.match(await text(page), new RegExp(name));
assert.match(await text(page), /1 message waits for a human/);
await shot(page, "overview");
await page.click("button[aria-label='Pause sales']");
await page.waitForSelector("button[aria-label='Resume sales']");
assert.match(await text(page), /paused/);
assert.match(await page.textContent("[role=status]"), /visited no more/);
await page.click("button[aria-label='Resume sales']");
await page.waitForSelector("button[aria-label='Pause sales']");
await page.click("button[aria-label='Visit sales now']");
assert.match(await page.textContent("[role=status]"), /as soon as its server allows/);
await page.click("button[aria-label='Test desk']");
assert.match(await text(page), /taken/);
await shot(page, "tested");

// All mail in one list; the search.
await page.click("nav >> text=Mail");
assert.equal(await page.locator("tbody tr").count(), 4);
await shot(page, "list");
await page.fill("input[name=q]", "screwdrivers");
await page.keyboard.press("Enter");
await page.waitForURL(/q=screwdrivers/);
assert.equal(await page.locator("tbody tr").count(), 1);
await page.selectOption("select[name=mailbox]", "support");
await page.click("text=Search");
assert.match(await text(page), /Nothing matches/);
await page.click("text=Show all");

// A hostile mail is shown, and does nothing.
await page.fill("input[name=q]", "won");
await page.keyboard.press("Enter");
await page.waitForURL(/q=won/);
await page.click("tbody a");
const frame = await embedded(page);
assert.match(await frame.content(), /You have won/);
assert.equal(await frame.locator("script, iframe, object, embed, form, video, audio, svg, link, meta[http-equiv], [style]").count(), 0);
assert.equal(await frame.locator("img[src], img[srcset]").count(), 0);
assert.match(await page.textContent("h1"), /Win <img/);
await frame.click("text=click here");
await page.waitForLoadState("networkidle");
await shot(page, "hostile");
const [saved] = await Promise.all([page.waitForEvent("download"), page.click("a[download]")]);
assert.doesNotMatch(saved.suggestedFilename(), /[/\\]/);
await page.click("text=Body by today's configuration");
assert.match(await page.textContent("body"), /"type"/);
await page.goBack();

// A dead letter, with the keyboard alone.
await page.click("nav >> text=Dead letters");
await shot(page, "dead");
await page.keyboard.press("Tab");
assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
await page.focus("input[name=id]");
await page.keyboard.press("Space");
await page.focus("button[value=retry]");
await page.keyboard.press("Enter");
await page.waitForURL(/preview/);
assert.match(await text(page), /try again 1 delivery/);
await shot(page, "preview");
assert.equal(await page.evaluate(() => document.activeElement.textContent), "Do it");
await page.keyboard.press("Enter");
await page.waitForURL(/done=retry/);
assert.match(await page.textContent("[role=status]"), /1 delivery or message will be tried again/);

// A narrow window, in the dark, without JavaScript: nothing is wider than the window.
const small = await open({ viewport: { width: 360, height: 740 }, colorScheme: "dark", javaScriptEnabled: false });
await login(small);
for (const [name, path] of [["overview", "/"], ["list", "/messages"], ["dead", "/dead"]]) {
  await small.goto(`${address}${path}`);
  await shot(small, `narrow-${name}`);
  const width = await small.locator("html").evaluate((html) => html.scrollWidth);
  assert.ok(width <= 360, `${path} is ${width} pixels wide`);
}
await small.goto(`${address}/messages?q=won`);
await small.click("tbody a");
assert.match(await (await embedded(small)).content(), /You have won/);
await small.locator("iframe").scrollIntoViewIfNeeded();
await shot(small, "narrow-mail");
assert.ok((await small.locator("html").evaluate((html) => html.scrollWidth)) <= 360, "a mail is wider than the window");
const ground = await small.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor);
assert.equal(ground, "rgb(20, 22, 26)");
await small.click("text=Log out");
await small.waitForURL(/login/);

await browser.close();
console.log(JSON.stringify({ errors, elsewhere }));
